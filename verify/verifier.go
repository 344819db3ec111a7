// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

// Verifier verifies bundles against one trusted root. It is safe for concurrent
// use.
type Verifier struct {
	logs     map[string][]*log       // by log ID
	ctLogs   map[string][]*trust.Log // by log ID
	cas      []*authority
	tsas     []*authority
	stampers []*x509.Certificate // timestamp authorities' own certificates
}

// log is a transparency log with what is derived of it once.
type log struct {
	*trust.Log
	names     []string // what its address allows as origin of checkpoints
	verifiers []note.Verifier
}

// New prepares a root, which must not be changed afterwards.
func New(root *trust.Root) (*Verifier, error) {
	if root == nil {
		return nil, errors.New("making verifier: no trusted root")
	}
	v := &Verifier{logs: map[string][]*log{}, ctLogs: map[string][]*trust.Log{}}
	for i := range root.Logs {
		l, err := newLog(&root.Logs[i])
		if err != nil {
			return nil, fmt.Errorf("making verifier: log %d: %w", i, err)
		}
		v.logs[string(l.ID)] = append(v.logs[string(l.ID)], l)
	}
	for i := range root.CTLogs {
		l := &root.CTLogs[i]
		v.ctLogs[string(l.ID)] = append(v.ctLogs[string(l.ID)], l)
	}
	for i := range root.CertificateAuthorities {
		a, err := newAuthority(&root.CertificateAuthorities[i], x509.ExtKeyUsageCodeSigning)
		if err != nil {
			return nil, fmt.Errorf("making verifier: certificate authority %d: %w", i, err)
		}
		v.cas = append(v.cas, a)
	}
	for i := range root.TimestampAuthorities {
		a, err := newAuthority(&root.TimestampAuthorities[i], x509.ExtKeyUsageTimeStamping)
		if err != nil {
			return nil, fmt.Errorf("making verifier: timestamp authority %d: %w", i, err)
		}
		v.tsas = append(v.tsas, a)
		if a.own != nil {
			v.stampers = append(v.stampers, a.own)
		}
	}
	return v, nil
}

// newLog derives the names that the log's checkpoints may carry: the base URL
// without its scheme, with path or without, with port or without. It is "the
// expected server name" (Rekor v2 specification §7.2).
func newLog(l *trust.Log) (*log, error) {
	out := &log{Log: l}
	u, err := url.Parse(l.BaseURL)
	if err != nil || u.Host == "" {
		return out, nil // has no name: its promises count, its checkpoints can't
	}
	path := strings.TrimRight(u.Path, "/")
	for _, name := range []string{u.Hostname(), u.Hostname() + path, u.Host, u.Host + path} {
		if slices.Contains(out.names, name) {
			continue
		}
		verifier, err := checkpoint.NewVerifier(name, l.Key)
		if err != nil {
			return nil, err
		}
		out.names = append(out.names, name)
		out.verifiers = append(out.verifiers, verifier)
	}
	return out, nil
}
