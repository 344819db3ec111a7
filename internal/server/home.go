package server

import (
	"bytes"
	"embed"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"text/template"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/internal/config"
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
		files, err := s.trustFiles()
		if err != nil {
			s.trustUnreadable(w, r, err)
			return
		}
		h := w.Header()
		h.Set("Cache-Control", "no-cache")
		h.Set("Vary", "Accept")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Frame-Options", "DENY")
		page := s.home(files)
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

func (s *Server) home(files client.TrustFiles) home {
	issuer := s.config.URL
	if s.login == nil {
		issuer = "ISSUER"
	}
	page := home{
		URL: s.config.URL, Fingerprint: files.Fingerprint(),
		Commands: []string{
			"hallmark trust add " + s.config.URL,
			"hallmark sign FILE",
			"hallmark verify FILE --identity EMAIL --issuer " + issuer,
		},
		Links: []link{
			{"/trust/" + trust.RootFile, "trusted root: what verifying needs, for other Sigstore clients too"},
			{"/trust/" + trust.SigningConfigFile, "signing config: what signing needs"},
			{"/api/v2/checkpoint", "checkpoint of the transparency log"},
			{"/ct/checkpoint", "checkpoint of the log of certificates"},
			{"/trust/" + config.LogKeyFile, "key of the transparency log, for witnesses"},
		},
	}
	if files.LogPolicy != nil {
		page.Links = append(page.Links, link{"/trust/" + trust.LogPolicyFile, "log policy: the witnesses that must have cosigned the log"})
	}
	if s.login != nil {
		page.Links = append(page.Links, link{"/login/password-change", "change your password"})
	}
	return page
}

// trustFiles reads what clients are told. They are in the directory of the instance.
func (s *Server) trustFiles() (files client.TrustFiles, err error) {
	for name, to := range map[string]*[]byte{
		trust.RootFile: &files.Root, trust.SigningConfigFile: &files.SigningConfig, trust.LogPolicyFile: &files.LogPolicy,
	} {
		raw, err := os.ReadFile(s.config.Path("trust", name))
		if err != nil && !(name == trust.LogPolicyFile && errors.Is(err, fs.ErrNotExist)) {
			return client.TrustFiles{}, err
		}
		*to = raw
	}
	return files, nil
}
