package issuer

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"strconv"
)

//go:embed pages
var pageFiles embed.FS

// pages are the issuer's HTML: without scripts, images or anything from
// elsewhere.
type pages struct {
	templates *template.Template
	style     template.CSS
	styleHash string // as a content security policy names it
}

func newPages() *pages {
	style, err := pageFiles.ReadFile("pages/style.css")
	if err != nil {
		panic(err) // it is embedded
	}
	hash := sha256.Sum256(style)
	return &pages{
		templates: template.Must(template.ParseFS(pageFiles, "pages/*.html")),
		style:     template.CSS(style),
		styleHash: "'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'",
	}
}

// What the pages show.
type (
	signIn         struct{ Request, Email, Problem string }
	userCode       struct{ Request, Code, Problem string }
	deviceAnswer   struct{ Request, Code, Email, Problem string }
	message        struct{ Text string }
	code           struct{ Code string }
	passwordChange struct {
		Request, Email, Problem string
		Rule                    string
		Min                     int
	}
)

// signInPage lets the form lead back to the client, for browsers hold the
// redirect after a form to form-action as well.
func (i *Issuer) signInPage(w http.ResponseWriter, status int, r *authRequest, data signIn) {
	i.pages.write(w, status, "signin.html", "Sign in", origin(r.RedirectURI), data)
}

// write answers with a page whose forms may lead here and to target.
func (p *pages) write(w http.ResponseWriter, status int, name, title, target string, data any) {
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
	w.Write(b.Bytes()) // an error is the client's, who has gone
}
