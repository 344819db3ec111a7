// SPDX-License-Identifier: Apache-2.0

package hallmarktest_test

import (
	"bytes"
	"crypto"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/hallmarktest"
	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/dsse"
)

const alice = "alice@example.com"

func judge(t *testing.T, i *hallmarktest.Instance, b *bundle.Bundle, a verify.Artifact) (*verify.Result, error) {
	t.Helper()
	raw, err := b.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if b, err = bundle.Parse(raw); err != nil {
		t.Fatal(err)
	}
	v, err := verify.New(i.Root)
	if err != nil {
		t.Fatal(err)
	}
	return v.Verify(b, a, verify.Requirements{Identities: []identity.Matcher{identity.NewMatcher(alice, i.URL)}})
}

// TestNew checks that the instance signs files and statements, and that its trusted root
// verifies them.
func TestNew(t *testing.T) {
	i := hallmarktest.New(t)
	b, err := i.Signer(t, alice).Message(t.Context(), strings.NewReader("what is signed"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := judge(t, i, b, verify.FromReader(strings.NewReader("what is signed"))); err != nil {
		t.Error(err)
	}
	if _, err := judge(t, i, b, verify.FromReader(strings.NewReader("what was not"))); err == nil {
		t.Error("accepted another artifact")
	}
	statement := `{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"` + strings.Repeat("ab", 32) + `"}}],"predicateType":"https://example.com/p/v1","predicate":{}}`
	if b, err = i.Signer(t, alice).Envelope(t.Context(), dsse.PayloadTypeInToto, []byte(statement)); err != nil {
		t.Fatal(err)
	}
	r, err := judge(t, i, b, digest(0xab))
	if err != nil || r.Statement.PredicateType != "https://example.com/p/v1" {
		t.Errorf("got %+v, %v", r, err)
	}
	if _, err := judge(t, i, b, digest(0xac)); err == nil {
		t.Error("accepted another subject")
	}
}

// TestInstancesAreApart checks that two instances do not trust each other.
func TestInstancesAreApart(t *testing.T) {
	one, other := hallmarktest.New(t), hallmarktest.New(t)
	b, err := one.Signer(t, alice).Message(t.Context(), strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := judge(t, other, b, verify.FromReader(strings.NewReader("x"))); err == nil {
		t.Error("an instance accepted what another signed")
	}
	s := one.Signer(t, alice)
	s.Certifier = client.Fulcio{URL: other.URL, Token: one.Token(t, alice), HTTP: client.NewHTTP(time.Second, nil)}
	if _, err := s.Message(t.Context(), strings.NewReader("x")); err == nil {
		t.Error("an instance took another's token")
	}
}

// BenchmarkNew measures the start of an instance for a test: under 100 ms.
func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		hallmarktest.New(b)
	}
}

func digest(fill byte) verify.Artifact {
	return verify.FromDigest(crypto.SHA256, bytes.Repeat([]byte{fill}, 32))
}
