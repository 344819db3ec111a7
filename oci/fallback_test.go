// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// TestFallbackTagIsTaken checks that other content under the fallback tag is not overwritten,
// in any format.
func TestFallbackTagIsTaken(t *testing.T) {
	t.Parallel()
	for what, raw := range map[string]string{
		"an image":                        `{"schemaVersion":2,"mediaType":"` + typeManifest + `","config":{"mediaType":"` + typeConfig + `","size":2,"digest":"` + digestOf([]byte("{}")) + `"},"layers":[]}`,
		"an image that does not say what": `{"schemaVersion":2,"config":{"mediaType":"` + typeConfig + `","size":2,"digest":"` + digestOf([]byte("{}")) + `"},"layers":[]}`,
		"another schema":                  `{"schemaVersion":1}`,
		"rubbish":                         `[]`,
	} {
		p := newPlace(t, false)
		p.putTag(t, p.image.fallbackTag(), raw)
		_, err := New(Options{}).Attach(t.Context(), p.image, Attachment{Bundle: []byte("mine"), Created: time.Unix(0, 0)})
		if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), p.image.fallbackTag()) {
			t.Errorf("%s: %v", what, err)
		}
		if now := p.tag(t, p.image.fallbackTag()); now != raw {
			t.Errorf("%s: overwritten with %s", what, now)
		}
	}
}

// TestFallbackListKeepsMembers checks that other clients' members are kept, in the list and in
// its entries.
func TestFallbackListKeepsMembers(t *testing.T) {
	t.Parallel()
	p := newPlace(t, false)
	p.attach(t, "theirs")
	list := p.tag(t, p.image.fallbackTag())
	list = strings.Replace(list, `"manifests":[{`, `"annotations":{"org.example.keep":"this"},"x":{"y":1},"manifests":[{"z":[2],`, 1)
	p.putIndex(t, p.image.fallbackTag(), []byte(list))
	p.attach(t, "mine")
	now := p.tag(t, p.image.fallbackTag())
	for _, want := range []string{`"org.example.keep":"this"`, `"x":{"y":1}`, `"z":[2]`} {
		if !strings.Contains(now, want) {
			t.Errorf("%s, want %s in it", now, want)
		}
	}
	if found, err := bundles(t, p.image); err != nil || len(found) != 2 {
		t.Error(found, err)
	}
}
