// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"embed"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/webpage"
	"github.com/hallmark-sign/hallmark/trust"
)

// publisher serves what the instance tells its clients and people.
type publisher struct {
	config *config.Config
	logger *slog.Logger
}

// mountTrust serves the files of a trust.Material, and the key for witnesses.
func mountTrust(p *parts) (mount, error) {
	files := &publisher{p.Config, p.logger}
	return mount{
		Name: "trust", Patterns: []string{"GET /trust/{file}"}, Handler: http.HandlerFunc(files.serveTrust),
		Links: []link{{"/trust/" + trust.LogKeyFile, "key of the transparency log, for witnesses"}},
	}, nil
}

// serveTrust serves the trust files as they lie on disk.
func (p *publisher) serveTrust(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	if !published(name) {
		http.NotFound(w, r)
		return
	}
	raw, err := os.ReadFile(p.config.Path("trust", name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		http.NotFound(w, r)
	case err != nil:
		p.unreadable(w, r, err)
	default:
		w.Header().Set("Cache-Control", "no-cache")
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(raw))
	}
}

// published reports whether a file of the trust directory is served.
func published(name string) bool {
	return name == trust.LogKeyFile || slices.ContainsFunc(trust.Files(), func(f trust.File) bool { return f.Name == name })
}

// unreadable answers while a trust file can't be read.
func (p *publisher) unreadable(w http.ResponseWriter, r *http.Request, err error) {
	p.logger.ErrorContext(r.Context(), "trust file can't be read", "cause", err)
	w.Header().Set("Retry-After", "10")
	http.Error(w, "this file can't be read now", http.StatusServiceUnavailable)
}

// material reads what the instance publishes.
func (p *publisher) material() (*trust.Material, error) {
	return trust.ReadMaterial(os.DirFS(p.config.Path("trust")))
}

//go:embed pages
var pageFiles embed.FS

// home is the page of an instance, for people who have nothing but its address.
type home struct {
	URL, Fingerprint string
	Commands         []string
	Links            []link
}

// mountHome returns the page of the instance, with the links that its services bring.
func mountHome(p *parts, services []mount) mount {
	var links []link
	for _, m := range services {
		links = append(links, m.Links...)
	}
	return mount{Name: "home", Patterns: []string{"GET /{$}"}, Handler: (&publisher{p.Config, p.logger}).serveHome(links)}
}

// serveHome answers GET / with HTML for browsers, and text for other clients.
func (p *publisher) serveHome(links []link) http.Handler {
	pages := webpage.New(pageFiles, "pages/*.html")
	text := template.Must(template.ParseFS(pageFiles, "pages/home.txt"))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m, err := p.material()
		if err != nil {
			p.unreadable(w, r, err)
			return
		}
		h := w.Header()
		h.Set("Cache-Control", "no-cache")
		h.Set("Vary", "Accept")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Frame-Options", "DENY")
		page := p.home(m, links)
		if strings.Contains(r.Header.Get("Accept"), "text/html") {
			pages.Write(w, http.StatusOK, "home.html", p.config.Host(), "", page)
			return
		}
		var b bytes.Buffer
		if err := text.Execute(&b, page); err != nil {
			http.Error(w, "page can't be written", http.StatusInternalServerError)
			return
		}
		h.Set("Content-Type", "text/plain; charset=utf-8")
		w.Write(b.Bytes()) // an error is the client's, who has gone
	})
}

func (p *publisher) home(m *trust.Material, links []link) home {
	issuer := p.config.URL
	if p.config.Login.Disabled {
		issuer = "ISSUER"
	}
	page := home{
		URL: p.config.URL, Fingerprint: m.Fingerprint(),
		Commands: []string{
			"hallmark trust add " + p.config.URL,
			"hallmark sign FILE",
			"hallmark verify FILE --identity EMAIL --issuer " + issuer,
		},
	}
	for _, f := range trust.Files() {
		if _, ok := m.File(f.Name); ok {
			page.Links = append(page.Links, link{"/trust/" + f.Name, f.Purpose})
		}
	}
	page.Links = append(page.Links, links...)
	return page
}
