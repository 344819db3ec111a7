// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"

	"github.com/sigstore/sigstore-go/pkg/bundle"
)

// TestEvidence checks that the evidence store accepts bundles of other clients, posted in the
// form of GitHub's API, and that sigstore-go verifies the bundles in its responses, like gh.
func TestEvidence(t *testing.T) {
	r := newRequest(t)
	url := fmt.Sprintf("%s/api/v1/bundles/sha256:%x", r.url, sha256.Sum256(read(t, r.file)))
	posted := 0
	for name, sign := range map[string]func(*testing.T, request) error{
		"sigstore-go signs": sigstoreGoSign, "sigstore-go attests": sigstoreGoAttest, "hallmark signs": hallmarkSign, "hallmark attests": hallmarkAttest,
	} {
		r := r.withBundle(t)
		if err := sign(t, r); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		request := fmt.Appendf(nil, `{"bundle":%s}`, bytes.TrimSpace(read(t, r.bundle)))
		resp, err := http.Post(url, "application/json", bytes.NewReader(request))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusCreated {
			t.Fatalf("%s: %s %s, %v", name, resp.Status, answer, err)
		}
		posted++
	}
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var listed struct {
		Attestations []struct {
			Bundle *bundle.Bundle `json:"bundle"`
		} `json:"attestations"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&listed); err != nil || len(listed.Attestations) != posted {
		t.Fatalf("%d of %d, %v", len(listed.Attestations), posted, err)
	}
	for i, a := range listed.Attestations {
		r := r.withBundle(t)
		raw, err := a.Bundle.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(r.bundle, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := sigstoreGoVerify(t, r); err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	// hallmark finds them by itself.
	if err := hallmark(t, "verify", "--trusted-root", r.trustedRoot, "--evidence", r.url, "--identity", r.identity, "--issuer", r.issuer, r.file); err != nil {
		t.Error(err)
	}
}
