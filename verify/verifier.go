package verify

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// Verifier verifies bundles against one trusted root. It is safe for concurrent
// use.
type Verifier struct {
	logs     map[string][]*log   // by log ID
	ctLogs   map[string][]*ctLog // by log ID
	cas      []*authority
	tsas     []*authority
	stampers []stamper // timestamp authorities' own certificates
}

// log is a transparency log with what is derived of it once.
type log struct {
	*trust.Log
	key       *sigalg.Prepared
	names     []string // what its address allows as origin of checkpoints
	verifiers []note.Verifier
}

// ctLog is a CT log with its key made ready.
type ctLog struct {
	*trust.Log
	key *sigalg.Prepared
}

// stamper is a certificate that signs timestamps.
type stamper struct {
	cert *x509.Certificate
	key  crypto.PublicKey // the certificate's, prepared if it is of the root
}

// New prepares a root, which must not be changed afterwards.
func New(root *trust.Root) (*Verifier, error) {
	if root == nil {
		return nil, errors.New("making verifier: no trusted root")
	}
	v := &Verifier{logs: map[string][]*log{}, ctLogs: map[string][]*ctLog{}}
	keys := new(sigalg.Preparer) // the root's keys verify every bundle
	for i := range root.Logs {
		l, err := newLog(&root.Logs[i], keys)
		if err != nil {
			return nil, fmt.Errorf("making verifier: log %d: %w", i, err)
		}
		v.logs[string(l.ID)] = append(v.logs[string(l.ID)], l)
	}
	for i := range root.CTLogs {
		l := &root.CTLogs[i]
		v.ctLogs[string(l.ID)] = append(v.ctLogs[string(l.ID)], &ctLog{l, keys.Prepare(l.Key)})
	}
	for i := range root.CertificateAuthorities {
		a, err := newAuthority(&root.CertificateAuthorities[i], x509.ExtKeyUsageCodeSigning, keys)
		if err != nil {
			return nil, fmt.Errorf("making verifier: certificate authority %d: %w", i, err)
		}
		v.cas = append(v.cas, a)
	}
	for i := range root.TimestampAuthorities {
		a, err := newAuthority(&root.TimestampAuthorities[i], x509.ExtKeyUsageTimeStamping, keys)
		if err != nil {
			return nil, fmt.Errorf("making verifier: timestamp authority %d: %w", i, err)
		}
		v.tsas = append(v.tsas, a)
		if leaf := a.stamper(); leaf != nil {
			v.stampers = append(v.stampers, stamper{leaf, keys.Prepare(leaf.PublicKey)})
		}
	}
	return v, nil
}

// newLog derives the names that the log's checkpoints may carry: the base URL
// without its scheme, with path or without, with port or without. It is "the
// expected server name" (Rekor v2 specification §7.2).
func newLog(l *trust.Log, keys *sigalg.Preparer) (*log, error) {
	out := &log{Log: l, key: keys.Prepare(l.Key)}
	u, err := url.Parse(l.BaseURL)
	if err != nil || u.Host == "" {
		return out, nil // has no name: its promises count, its checkpoints can't
	}
	path := strings.TrimRight(u.Path, "/")
	for _, name := range []string{u.Hostname(), u.Hostname() + path, u.Host, u.Host + path} {
		if slices.Contains(out.names, name) {
			continue
		}
		verifier, err := checkpoint.NewVerifier(name, out.key)
		if err != nil {
			return nil, err
		}
		out.names = append(out.names, name)
		out.verifiers = append(out.verifiers, verifier)
	}
	return out, nil
}
