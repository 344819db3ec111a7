// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/judge"
	"github.com/hallmark-sign/hallmark/internal/report"
	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/intoto"
	"github.com/hallmark-sign/hallmark/wire/rekor"
)

const aliceText = "alice@example.com via https://login.example.com"

// byAlice returns the result of a bundle by alice, over the bytes "content" or a statement
// of a type.
func byAlice(predicateType string) *verify.Result {
	sum := sha256.Sum256([]byte("content"))
	r := &verify.Result{
		Certificate: new(x509.Certificate),
		Identity:    identity.Identity{Issuer: "https://login.example.com", Subject: identity.Subject{Type: identity.Email, Value: "alice@example.com"}},
		Times:       []verify.Time{{Time: time.Date(2026, 3, 4, 6, 6, 7, 0, time.FixedZone("", 3600)), Authority: &trust.Authority{URI: "https://tsa.example.com"}}},
		Entries:     []verify.Entry{{Entry: rekor.Entry{LogIndex: 7}, Log: &trust.Log{BaseURL: "https://log.example.com"}}},
		Hash:        crypto.SHA256, Digest: sum[:],
	}
	if predicateType != "" {
		r.Statement = &intoto.Statement{PredicateType: predicateType}
	}
	return r
}

// byKey returns the result of a bundle by a key, which is in no log.
func byKey() *verify.Result {
	r := byAlice("")
	curve := elliptic.P256().Params()
	r.Certificate, r.Identity, r.Entries = nil, identity.Identity{}, nil
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, curve.Gx.FillBytes(make([]byte, 32)), curve.Gy.FillBytes(make([]byte, 32))))
	if err != nil {
		panic(err) // the curve's own generator
	}
	r.Key = key
	return r
}

const digest = "sha256:ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"

// TestVerdicts compares each kind of verdict in its three forms.
func TestVerdicts(t *testing.T) {
	sum := sha256.Sum256([]byte("content"))
	steps := make([]verify.Seen, 9)
	for i := range steps {
		steps[i].Step = verify.Step(i + 1)
	}
	steps[0].Outcome, steps[0].Facts = verify.Passed, []string{"a fact"}
	steps[1].Outcome = verify.Refused
	explained := []judge.Explained{{File: "README.md.sigstore.json", Explanation: verify.Explanation{Steps: steps}}}
	mismatch := fault.About("README.md", &verify.Error{Code: verify.IdentityMismatch, Expected: "bob", Found: "alice"})
	for name, c := range map[string]struct {
		verdict    judge.Verdict
		line, text string
		want       map[string]any // in the JSON, at least
	}{
		"verified": {
			judge.Verdict{Name: "README.md", Results: []*verify.Result{byAlice("")}},
			"README.md: verified, signed by " + aliceText + "\n",
			"README.md: verified\n  signed by  " + aliceText + "\n  at         2026-03-04 05:06:07 UTC, by https://tsa.example.com\n  logged as  7 of https://log.example.com\n",
			map[string]any{"file": "README.md", "verdict": "verified", "digest": digest},
		},
		"by two": {
			judge.Verdict{Name: "README.md", Results: []*verify.Result{byAlice(""), byAlice("")}},
			"README.md: verified, signed by " + aliceText + " and by " + aliceText + "\n", "", nil,
		},
		"by a key": {
			judge.Verdict{Name: "README.md", Results: []*verify.Result{byKey()}},
			"", "  logged as  nothing\n", map[string]any{"verdict": "verified"},
		},
		"attested": {
			judge.Verdict{Name: "README.md", Results: []*verify.Result{byAlice("https://slsa.dev/provenance/v1")}},
			"", "  attests    https://slsa.dev/provenance/v1\n", nil,
		},
		"listed": {
			judge.Verdict{Name: "README.md", Results: []*verify.Result{byAlice("")}, List: "SHA256SUMS", Digest: sum[:]},
			"", "  listed in  SHA256SUMS\n", map[string]any{"list": "SHA256SUMS", "digest": digest},
		},
		"an image": {
			judge.Verdict{Name: "r.example.com/a:v1", Image: true, Results: []*verify.Result{byAlice("")}},
			"", "r.example.com/a:v1: verified\n  digest     " + digest + "\n", map[string]any{"file": "r.example.com/a:v1", "digest": digest},
		},
		"with gaps": {
			judge.Verdict{Name: "README.md", Results: []*verify.Result{byAlice("")}, Gaps: []policy.Gap{policy.GapWitnesses, policy.GapRootAge}},
			"README.md: verified, signed by " + aliceText + "; not asked: witnesses, root-age\n",
			"  not asked  " + policy.GapWitnesses.Meaning() + "\n", map[string]any{"notAsked": []any{"witnesses", "root-age"}},
		},
		"refused": {
			judge.Verdict{Name: "README.md", Err: mismatch},
			"README.md: refused: identity-mismatch\n", "",
			map[string]any{"verdict": "refused", "code": "identity-mismatch", "expected": "bob", "found": "alice"},
		},
		"refused though some have signed": {
			judge.Verdict{Name: "README.md", Err: mismatch, Results: []*verify.Result{byAlice("")}},
			"README.md: refused: identity-mismatch\n", "", map[string]any{"verdict": "refused"},
		},
		"unreadable": {
			judge.Verdict{Name: "README.md", Err: fault.Unreadable("README.md", errors.New("is a directory"))},
			"README.md: cannot: unreadable\n", "", map[string]any{"verdict": "unreadable", "code": "unreadable", "reason": "is a directory"},
		},
		"undecided": {
			judge.Verdict{Name: "README.md", Err: fault.CouldNotLook("README.md", errors.New("permission denied"))},
			"README.md: could not decide: could-not-look\n", "", map[string]any{"verdict": "undecided", "code": "could-not-look"},
		},
		"an error without a code": {
			judge.Verdict{Name: "README.md", Err: errors.New("anything")},
			"README.md: could not decide: failed\n", "", map[string]any{"verdict": "undecided", "code": "failed"},
		},
		"explained": {
			judge.Verdict{Name: "README.md", Err: mismatch, Explained: explained},
			"", "README.md: refused: identity-mismatch\n\nREADME.md.sigstore.json\n  1 shape       passed\n      a fact\n  2 times       refused\n  3 chain       not reached\n",
			map[string]any{"verdict": "refused", "signatures": nil},
		},
	} {
		if got := report.Line(c.verdict); c.line != "" && got != c.line {
			t.Errorf("%s: %q", name, got)
		}
		if got := report.Text(c.verdict); !strings.Contains(got, c.text) {
			t.Errorf("%s: %s", name, got)
		}
		got := inJSON(t, c.verdict)
		for member, want := range c.want {
			if a, b := encoded(t, got[member]), encoded(t, want); a != b {
				t.Errorf("%s: %s is %s, want %s", name, member, a, b)
			}
		}
	}
}

// inJSON returns a verdict's JSON, which conforms to the published schema.
func inJSON(t *testing.T, v judge.Verdict) map[string]any {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile("../../docs/reference/verdict.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	raw := encoded(t, report.Of(v))
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(raw)))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(value); err != nil {
		t.Errorf("%v:\n%s", err, raw)
	}
	return value.(map[string]any)
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(fault.EscapeJSON(raw))
}

// TestHostile shows that nothing that others have written draws on the terminal or hides, in
// any form.
func TestHostile(t *testing.T) {
	const hostile = "a\x1b[2J\u009b2Jb\u202egnp.\u2066\u200b\ufeff\u2028\U000e0041\r\n\tc"
	r := byAlice(hostile)
	r.Identity = identity.Identity{Issuer: hostile, Subject: identity.Subject{Value: hostile}}
	r.Times[0].Authority.URI, r.Entries[0].Log.BaseURL = hostile, hostile
	explained := []judge.Explained{{File: hostile, Explanation: verify.Explanation{Steps: []verify.Seen{{Step: verify.StepShape, Facts: []string{hostile}}}}}}
	for _, v := range []judge.Verdict{
		{Name: hostile, Results: []*verify.Result{r}, List: hostile, Explained: explained},
		{Name: hostile, Err: fault.Unreadable(hostile, errors.New(hostile)), Explained: explained},
		{Name: hostile, Err: fault.About(hostile, &verify.Error{Code: verify.IdentityMismatch, Expected: hostile, Found: hostile, Err: errors.New(hostile)})},
	} {
		for form, text := range map[string]string{"line": report.Line(v), "text": report.Text(v), "JSON": encoded(t, report.Of(v))} {
			for _, c := range text {
				if c != '\n' && unicode.In(c, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
					t.Errorf("%s: %U is printed", form, c)
				}
			}
			if strings.Count(text, "\nc") > 0 || form == "line" && strings.Count(text, "\n") != 1 {
				t.Errorf("%s: a line is forged: %q", form, text)
			}
		}
	}
}

// TestSummary shows that every verdict is counted once, and that the worst decides.
func TestSummary(t *testing.T) {
	var s report.Summary
	if s.Err() != nil || s.String() != "0 judged: 0 verified" {
		t.Errorf("%v: %s", s.Err(), &s)
	}
	unreadable, undecided := fault.Unreadable("c", errors.New("x")), fault.CouldNotLook("b", errors.New("x"))
	refused := fault.About("a", &verify.Error{Code: verify.IdentityMismatch})
	for _, c := range []struct {
		err  error
		text string
		exit int
	}{
		{nil, "1 judged: 1 verified", 0},
		{unreadable, "2 judged: 1 verified, 1 unreadable", fault.ExitUsage},
		{undecided, "3 judged: 1 verified, 1 unreadable, 1 undecided", fault.ExitUndecided},
		{refused, "4 judged: 1 verified, 1 refused, 1 unreadable, 1 undecided", fault.ExitRefused},
		{undecided, "5 judged: 1 verified, 1 refused, 1 unreadable, 2 undecided", fault.ExitRefused},
		{errors.New("without a code"), "6 judged: 1 verified, 1 refused, 1 unreadable, 3 undecided", fault.ExitRefused},
		{nil, "7 judged: 2 verified, 1 refused, 1 unreadable, 3 undecided", fault.ExitRefused},
	} {
		s.Add(judge.Verdict{Err: c.err})
		exit, worst := 0, new(fault.Worst)
		if errors.As(s.Err(), &worst) {
			exit = worst.Status
		}
		if s.String() != c.text || exit != c.exit {
			t.Errorf("%s, exit %d; want %s, exit %d", &s, exit, c.text, c.exit)
		}
	}
	if s.First != fault.Of(unreadable) {
		t.Errorf("the first is %v", s.First)
	}
}
