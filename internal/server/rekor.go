// SPDX-License-Identifier: Apache-2.0

package server

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/instance"
	"github.com/hallmark-sign/hallmark/internal/rekorlog"
	"github.com/hallmark-sign/hallmark/internal/tilelog"
	"github.com/hallmark-sign/hallmark/trust"
)

// mountRekor serves the transparency logs: the one that takes entries, and the frozen ones
// before it.
func mountRekor(p *parts) (mount, error) {
	witnesses, err := instance.Witnesses(p.Config)
	if err != nil {
		return mount{}, err
	}
	frozen, err := frozenLogs(p)
	if err != nil {
		return mount{}, err
	}
	last := p.last()
	log, err := rekorlog.New(rekorlog.Options{
		Dir: p.Config.Path(config.LogName(last)), Origin: config.Hostname(p.Root.Logs[last].BaseURL), Key: p.Keys.Rekor, Note: p.Keys.Note,
		Limits: entryLimits(p), Logger: p.logger, Witnesses: witnesses, Notes: instance.LogNotes(p.Config, config.LogName(last), last),
	})
	if err != nil {
		return mount{}, err
	}
	return mount{
		Name: "rekor", Patterns: []string{"/api/v2/log/", "/api/v2/checkpoint", "/api/v2/tile/"},
		Handler: byHost(frozen, log.Handler()), Gate: largeFiles,
		Health: logHealth(log), Metrics: logGauges("rekor", log),
		Links: []link{{"/api/v2/checkpoint", "checkpoint of the transparency log"}},
		Close: log.Close,
	}, p.PublishLogPolicy(log.Size(), p.logger)
}

// frozenLogs opens the transparency logs that take no entries any more, by host name.
func frozenLogs(p *parts) (map[string]http.Handler, error) {
	frozen := make(map[string]http.Handler)
	for n, log := range p.Root.Logs[:p.last()] {
		origin := config.Hostname(log.BaseURL)
		h, err := rekorlog.Frozen(rekorlog.FrozenOptions{
			Dir: p.Config.Path(config.LogName(n)), Origin: origin, Key: log.Key,
			Next: p.Root.Logs[p.last()].BaseURL, Logger: p.logger,
		})
		if err != nil {
			return nil, err
		}
		frozen[origin] = h
	}
	return frozen, nil
}

// byHost serves each frozen log under its host name, and under every other name the log
// that takes entries.
func byHost(frozen map[string]http.Handler, current http.Handler) http.Handler {
	if len(frozen) == 0 {
		return current
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h, ok := frozen[config.Hostname("http://"+r.Host)]; ok {
			h.ServeHTTP(w, r)
			return
		}
		current.ServeHTTP(w, r)
	})
}

// logState is what both kinds of logs tell of themselves.
type logState interface {
	Size() uint64
	Err() error
}

func logHealth(log logState) func() string {
	return func() string {
		switch err := log.Err(); {
		case errors.Is(err, tilelog.ErrUnwitnessed):
			return "too few witnesses cosign the log; see the server's log"
		case err != nil:
			return "a log has stopped after an error; see the server's log"
		}
		return ""
	}
}

func logGauges(name string, log logState) []gauge {
	return []gauge{
		{labeled("hallmark_log_entries", "log", name), func() float64 { return float64(log.Size()) }},
		{labeled("hallmark_log_failed", "log", name), func() float64 { return oneIf(log.Err() != nil) }},
	}
}

func entryLimits(p *parts) rekorlog.Limits {
	l := p.limits()
	return rekorlog.Limits{
		Identify:   identify(p.CAChain[0]),
		Identities: limiter("log entries of this identity", l.Entries),
		Addresses:  limiter("log entries without a certificate of this instance from this address", l.AnonymousEntries),
	}
}

// identify returns a function that reports the identity of a certificate if authority has
// signed it. Without that check, anyone could claim an identity.
func identify(authority *x509.Certificate) func([]byte) (string, bool) {
	return func(der []byte) (string, bool) {
		cert, err := x509.ParseCertificate(der)
		if err != nil || cert.CheckSignatureFrom(authority) != nil {
			return "", false
		}
		id, err := identity.FromCertificate(cert)
		return id.Subject.Value + "\n" + id.Issuer, err == nil
	}
}

// mountRekorV1 answers clients of Rekor v1, which print the message of this JSON and can
// read nothing else:
//
//	{"code":404,"message":"this instance's log is Rekor v2: …"}
func mountRekorV1(p *parts) (mount, error) {
	raw, err := json.Marshal(struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}{http.StatusNotFound, "this instance's log is Rekor v2: use a client with a signing config (" + p.Config.URL + "/trust/" + trust.SigningConfigFile + "), such as cosign 3"})
	if err != nil {
		return mount{}, err
	}
	return mount{
		Name: "none", Patterns: []string{"/api/v1/log", "/api/v1/log/", "/api/v1/index/"},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNotFound)
			w.Write(raw) // an error is the client's, who has gone
		}),
	}, nil
}
