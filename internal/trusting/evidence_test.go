// SPDX-License-Identifier: Apache-2.0

package trusting

import (
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/lookup"
)

func evidenceAt(t *testing.T, url string) (*lookup.Store, error) {
	t.Helper()
	home := map[string]string{"HALLMARK_HOME": t.TempDir()}
	env := cli.Environment{Stderr: new(strings.Builder), Getenv: func(name string) string { return home[name] }}
	return Selection{}.EvidenceStore(env, url, time.Minute)
}

// TestStoreAddress checks that invalid addresses of a store are refused.
func TestStoreAddress(t *testing.T) {
	for _, bad := range []string{"sign.example.com", "ftp://a", "http://", "http://a?b", "http://a#b", "http://u:p@a", ":"} {
		if _, err := evidenceAt(t, bad); err == nil {
			t.Errorf("%s is an address", bad)
		}
	}
}
