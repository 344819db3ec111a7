package main

import (
	"github.com/hallmark-sign/hallmark/internal/lookup"
	"strings"
	"testing"
	"time"
)

func evidenceAt(t *testing.T, url string) (*lookup.Store, error) {
	t.Helper()
	home := map[string]string{"HALLMARK_HOME": t.TempDir()}
	env := environment{stderr: new(strings.Builder), getenv: func(name string) string { return home[name] }}
	return evidenceFlags{url}.store(env, trustFlags{}, time.Minute)
}

// What a store would not keep is refused before anything is signed; no address is no
// store.
func TestCheckSigning(t *testing.T) {
	for name, c := range map[string]struct {
		url, key string
		subjects int
		ok       bool
	}{
		"no store": {"", "key.pem", 5000, true}, "one": {"http://a", "", 1, true}, "many": {"http://a", "", maxKept, true},
		"too many": {"http://a", "", maxKept + 1, false}, "a key": {"http://a", "key.pem", 1, false},
	} {
		if err := (evidenceFlags{c.url}).checkSigning(c.key, c.subjects); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, bad := range []string{"sign.example.com", "ftp://a", "http://", "http://a?b", "http://a#b", "http://u:p@a", ":"} {
		if _, err := evidenceAt(t, bad); err == nil {
			t.Errorf("%s is an address", bad)
		}
	}
}
