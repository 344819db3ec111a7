// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"os"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/internal/lookup"
	"github.com/hallmark-sign/hallmark/oci"
)

// TestKeepAside checks that bundles that can't be attached to an image are saved in one file, one
// per line.
func TestKeepAside(t *testing.T) {
	t.Chdir(t.TempDir())
	image := oci.Image{Repository: "r/a", Digest: "sha256:" + strings.Repeat("ab", 32)}
	for _, raw := range []string{"one", "two"} {
		p := fault.Of(keepAside(subject{name: "r/a:v1", image: &image}, []byte(raw), &oci.RegistryError{Reason: oci.Denied, Err: os.ErrPermission}))
		if p.Exit != fault.ExitUndecided || p.Code != "could-not-look" || p.Remedy != "load" || !strings.HasPrefix(p.Names[0], "sha256-abab") || p.Names[1] != image.String() {
			t.Errorf("%+v", p)
		}
	}
	raw, err := find.ReadFile("sha256-"+strings.Repeat("ab", 32)+".sigstore.jsonl", bundle.MaxSize)
	if err != nil || string(raw) != "one\ntwo\n" {
		t.Errorf("%q, %v", raw, err)
	}
	if err := os.Chmod(".", 0o500); err != nil || os.Getuid() == 0 {
		return // root writes anywhere
	}
	if p := fault.Of(keepAside(subject{name: "r/a:v1", image: &image}, nil, os.ErrPermission)); !strings.Contains(p.Error(), "lost") {
		t.Errorf("%+v", p)
	}
}

// TestCheckStore checks that a bundle that the store would refuse is refused before signing.
func TestCheckStore(t *testing.T) {
	for name, c := range map[string]struct {
		url      string
		keyed    bool
		subjects int
		ok       bool
	}{
		"no store": {"", true, 5000, true}, "one": {"http://a", false, 1, true}, "many": {"http://a", false, maxKept, true},
		"too many": {"http://a", false, maxKept + 1, false}, "a key": {"http://a", true, 1, false},
	} {
		r := new(Request)
		if c.keyed {
			r.Key = "key.pem"
		}
		if c.url != "" {
			r.store = &lookup.Store{Client: client.Evidence{URL: c.url}}
		}
		if err := r.checkStore(c.subjects); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
