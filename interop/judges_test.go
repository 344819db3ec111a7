// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	gobundle "github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	goverify "github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/options"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/verify"
)

// judge answers a seed's question for any bundle: nil accepts it. It keeps
// what depends on the trusted root, as a program that verifies many would.
type judge struct {
	name   string
	verify func(raw []byte) (result any, err error)
	parse  func(raw []byte) (parsed any, err error)
	decide func(parsed any) (result any, err error)
}

// judgesOf returns both judges with the same requirements: one log, one source of time (a
// timestamp authority, or a log of Rekor v1), one CT log if there is a certificate, and the
// seed's identity and issuer, or its key.
func judgesOf(t testing.TB, s seed) (hallmark, sigstoreGo judge) {
	t.Helper()
	return hallmarkJudge(t, s), sigstoreGoJudge(t, s)
}

func (j judge) whole() judge {
	j.verify = func(raw []byte) (any, error) {
		parsed, err := j.parse(raw)
		if err != nil {
			return nil, err
		}
		return j.decide(parsed)
	}
	return j
}

func hallmarkJudge(t testing.TB, s seed) judge {
	t.Helper()
	trusted, err := trust.Parse(s.root)
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	verifier, err := verify.New(trusted)
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	policy := verify.Requirements{Identities: []identity.Matcher{identity.NewMatcher(s.identity, s.issuer)}}
	if s.key != nil {
		policy = verify.Requirements{Keys: []crypto.PublicKey{s.key}}
	}
	return judge{
		name:  "hallmark",
		parse: func(raw []byte) (any, error) { return bundle.Parse(raw) },
		decide: func(parsed any) (any, error) {
			return verifier.Verify(parsed.(*bundle.Bundle), verify.FromReader(bytes.NewReader(s.artifact)), policy)
		},
	}.whole()
}

func sigstoreGoJudge(t testing.TB, s seed) judge {
	t.Helper()
	verifier, policies, err := sigstoreGoQuestion(s)
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	return judge{
		name: "sigstore-go",
		parse: func(raw []byte) (any, error) {
			b := new(gobundle.Bundle)
			return b, b.UnmarshalJSON(raw)
		},
		decide: func(parsed any) (any, error) {
			return verifier.Verify(parsed.(*gobundle.Bundle), goverify.NewPolicy(goverify.WithArtifact(bytes.NewReader(s.artifact)), policies...))
		},
	}.whole()
}

func sigstoreGoQuestion(s seed) (*goverify.Verifier, []goverify.PolicyOption, error) {
	trusted, err := root.NewTrustedRootFromJSON(s.root)
	if err != nil {
		return nil, nil, err
	}
	common := []goverify.VerifierOption{goverify.WithTransparencyLog(1), goverify.WithObserverTimestamps(1)}
	if s.key == nil {
		who, err := goverify.NewShortCertificateIdentity(s.issuer, "", s.identity, "")
		if err != nil {
			return nil, nil, err
		}
		v, err := goverify.NewVerifier(trusted, append(common, goverify.WithSignedCertificateTimestamps(1))...)
		return v, []goverify.PolicyOption{goverify.WithCertificateIdentity(who)}, err
	}
	key, err := signature.LoadDefaultVerifier(s.key, options.WithED25519ph())
	if err != nil {
		return nil, nil, err
	}
	// Whatever key the bundle hints at, the one that is trusted is looked at.
	keys := root.NewTrustedPublicKeyMaterial(func(string) (root.TimeConstrainedVerifier, error) {
		return root.NewExpiringKey(key, time.Time{}, time.Time{}), nil
	})
	v, err := goverify.NewVerifier(root.TrustedMaterialCollection{keys, trusted}, common...)
	return v, []goverify.PolicyOption{goverify.WithKey()}, err
}

// A panicked is the panic of a judge.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v\n%s", p.value, p.stack) }

// ask returns the judge's result, and recovers from panics.
func (j judge) ask(raw []byte) (result any, err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &panicked{value, debug.Stack()}
		}
	}()
	return j.verify(raw)
}

// A meaning holds the facts that an accepting judge reports.
type meaning struct {
	who, what string // what: of attestations their type
	when      []string
}

func (m meaning) String() string { return fmt.Sprintf("%s, at %v, states %q", m.who, m.when, m.what) }

func meaningOf(result any) (m meaning) {
	switch r := result.(type) {
	case *verify.Result:
		m.who = r.Identity.Subject.Value + " " + r.Identity.Issuer
		for _, t := range r.Times {
			m.when = append(m.when, t.Time.UTC().Format(time.RFC3339))
		}
		if r.Statement != nil {
			m.what = r.Statement.Type + " " + r.Statement.PredicateType
		}
	case *goverify.VerificationResult:
		m.who = " "
		if c := r.Signature.Certificate; c != nil {
			m.who = c.SubjectAlternativeName + " " + c.Issuer
		}
		for _, t := range r.VerifiedTimestamps {
			m.when = append(m.when, t.Timestamp.UTC().Format(time.RFC3339))
		}
		if r.Statement != nil {
			m.what = r.Statement.GetType() + " " + r.Statement.GetPredicateType()
		}
	}
	slices.Sort(m.when)
	m.when = slices.Compact(m.when)
	return m
}
func isPanic(err error) bool {
	var p *panicked
	return errors.As(err, &p)
}
