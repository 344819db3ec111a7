// SPDX-License-Identifier: Apache-2.0

package logread

import (
	"crypto"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

// A Key identifies a log: checkpoints of this origin, with a signature that
// Verifier verifies, are of a log of this format.
type Key struct {
	Origin   string
	Verifier note.Verifier
	Format   Format
}

// KeysOf returns the keys of all logs in a trusted root. The origin of a
// checkpoint is the log's base URL without its scheme, with or without path and
// port ("the expected server name", Rekor v2 specification §7.2).
func KeysOf(root *trust.Root) ([]Key, error) {
	var keys []Key
	for _, l := range root.Logs {
		for _, name := range names(l.BaseURL) {
			verifier, err := checkpoint.NewVerifier(name, l.Key)
			if err != nil {
				return nil, fmt.Errorf("log %s: %w", l.BaseURL, err)
			}
			keys = append(keys, Key{name, verifier, Rekor()})
		}
	}
	for _, l := range root.CTLogs {
		for _, name := range names(l.BaseURL) {
			verifier, err := checkpoint.NewTreeHeadVerifier(name, l.Key)
			if err != nil {
				return nil, fmt.Errorf("CT log %s: %w", l.BaseURL, err)
			}
			keys = append(keys, Key{name, verifier, CT()})
		}
	}
	return keys, nil
}

func names(base string) []string {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return nil // no checkpoint can name it
	}
	path := strings.TrimRight(u.Path, "/")
	all := []string{u.Hostname(), u.Hostname() + path, u.Host, u.Host + path}
	slices.Sort(all)
	return slices.Compact(all)
}

// KeysFor returns the keys of a log with this origin and public key. It may be
// a Rekor log or, if the type of key allows it, a CT log.
func KeysFor(origin string, key crypto.PublicKey) ([]Key, error) {
	verifier, err := checkpoint.NewVerifier(origin, key)
	if err != nil {
		return nil, err
	}
	keys := []Key{{origin, verifier, Rekor()}}
	if verifier, err := checkpoint.NewTreeHeadVerifier(origin, key); err == nil {
		keys = append(keys, Key{origin, verifier, CT()})
	}
	return keys, nil
}
