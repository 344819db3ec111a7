package server

import (
	"bytes"
	"embed"
	"net/http"
	"os"
	"strings"
	"text/template"

	"github.com/hallmark-sign/hallmark/internal/webpage"
	"github.com/hallmark-sign/hallmark/trust"
)

//go:embed pages
var pageFiles embed.FS

// home is the page of an instance, for people who have nothing but its address.
type home struct {
	URL, Fingerprint string
	Commands         []string
	Links            []link
}

type link struct{ Path, Text string }

// serveHome answers GET / with HTML for browsers, and text for everybody else.
func (s *Server) serveHome() http.Handler {
	pages := webpage.New(pageFiles, "pages/*.html")
	text := template.Must(template.ParseFS(pageFiles, "pages/home.txt"))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m, err := s.material()
		if err != nil {
			s.trustUnreadable(w, r, err)
			return
		}
		h := w.Header()
		h.Set("Cache-Control", "no-cache")
		h.Set("Vary", "Accept")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Frame-Options", "DENY")
		page := s.home(m)
		if strings.Contains(r.Header.Get("Accept"), "text/html") {
			pages.Write(w, http.StatusOK, "home.html", s.config.Host(), "", page)
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

func (s *Server) home(m *trust.Material) home {
	issuer := s.config.URL
	if s.login == nil {
		issuer = "ISSUER"
	}
	page := home{
		URL: s.config.URL, Fingerprint: m.Fingerprint(),
		Commands: []string{
			"hallmark trust add " + s.config.URL,
			"hallmark sign FILE",
			"hallmark verify FILE --identity EMAIL --issuer " + issuer,
		},
	}
	for _, f := range trust.Files() {
		if _, ok := m.File(f.Name); ok {
			page.Links = append(page.Links, link{"/trust/" + f.Name, f.Purpose})
		}
	}
	page.Links = append(page.Links,
		link{"/api/v2/checkpoint", "checkpoint of the transparency log"},
		link{"/ct/checkpoint", "checkpoint of the log of certificates"},
		link{"/trust/" + trust.LogKeyFile, "key of the transparency log, for witnesses"},
	)
	if s.login != nil {
		page.Links = append(page.Links, link{"/login/password-change", "change your password"})
	}
	return page
}

// material reads what the instance publishes.
func (s *Server) material() (*trust.Material, error) {
	return trust.ReadMaterial(os.DirFS(s.config.Path("trust")))
}
