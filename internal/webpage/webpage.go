// SPDX-License-Identifier: Apache-2.0

package webpage

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"io/fs"
	"net/http"
	"strconv"
)

//go:embed layout.html style.css
var files embed.FS

// Pages contains the templates of pages with their common layout and style. It
// is safe for concurrent use.
type Pages struct {
	templates *template.Template
	style     template.CSS
	styleHash string // in the form of a content security policy
}

// New parses the templates in pages that match pattern. They are embedded in
// the program; New panics if they are malformed.
func New(pages fs.FS, pattern string) *Pages {
	style, err := files.ReadFile("style.css")
	if err != nil {
		panic(err) // the template is embedded
	}
	hash := sha256.Sum256(style)
	return &Pages{
		templates: template.Must(template.Must(template.ParseFS(files, "layout.html")).ParseFS(pages, pattern)),
		style:     template.CSS(style),
		styleHash: "'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'",
	}
}

// Write responds with the page of a template. Its forms may lead to this site
// and, unless target is empty, to target.
func (p *Pages) Write(w http.ResponseWriter, status int, name, title, target string, data any) {
	var b bytes.Buffer
	err := p.templates.ExecuteTemplate(&b, name, struct {
		Title string
		Style template.CSS
		Data  any
	}{title, p.style, data})
	if err != nil {
		http.Error(w, "page can't be written", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	h.Set("Content-Security-Policy", "default-src 'none'; style-src "+p.styleHash+
		"; form-action 'self' "+target+"; frame-ancestors 'none'; base-uri 'none'")
	w.WriteHeader(status)
	w.Write(b.Bytes()) // fails only if the client has gone
}
