package verdict_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/hallmarktest"
	"github.com/hallmark-sign/hallmark/internal/verdict"
	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/wire/dsse"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

// shelf is a registry with one image, reg.example.com/a:1.
type shelf struct {
	held    verdict.Held
	problem *verdict.Problem
}

func (s shelf) Misnamed(string) *verdict.Problem { return nil }

func (s shelf) IsImage(text string) bool { return strings.HasPrefix(text, "reg.example.com/") }

func (s shelf) Look(context.Context, string) (verdict.Held, *verdict.Problem) {
	return s.held, s.problem
}

// signImage makes a bundle over a statement about a digest.
func signImage(t *testing.T, i *hallmarktest.Instance, who, predicateType string, digest []byte) verdict.Hanging {
	t.Helper()
	statement := intoto.Statement{
		Type: intoto.TypeV1, PredicateType: predicateType, Predicate: []byte("{}"),
		Subject: []intoto.Subject{{Digest: map[string]string{"sha256": hex.EncodeToString(digest)}}},
	}
	payload, err := statement.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	b, err := signer(t, i, who).Envelope(t.Context(), dsse.PayloadTypeInToto, payload)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return verdict.Hanging{Name: "reg.example.com/a@sha256:00", Raw: raw}
}

// What hangs on an image is judged like what lies beside a file; what could not be
// looked at leaves it open, unless the rest is enough.
func TestImages(t *testing.T) {
	const image = "reg.example.com/a:1"
	i := hallmarktest.New(t)
	digest, other := sha256.Sum256([]byte("image")), sha256.Sum256([]byte("another"))
	good := signImage(t, i, alice, intoto.TypeSigned, digest[:])
	unseen := verdict.Hanging{Err: &verdict.Problem{Exit: verdict.ExitUndecided, Code: "could-not-look", Err: errors.New("500")}}
	rubbish := verdict.Hanging{Name: "r", Raw: []byte("{}")}
	for what, c := range map[string]struct {
		hangs   []verdict.Hanging
		problem *verdict.Problem
		code    string
		exit    int
	}{
		"signed":           {hangs: []verdict.Hanging{good}, code: "verified"},
		"with rubbish":     {hangs: []verdict.Hanging{rubbish, good}, code: "verified"},
		"one unseen":       {hangs: []verdict.Hanging{unseen, good}, code: "verified"},
		"unsigned":         {code: "unsigned", exit: verdict.ExitRefused},
		"could not look":   {problem: unseen.Err, code: "could-not-look", exit: verdict.ExitUndecided},
		"bob's and unseen": {hangs: []verdict.Hanging{signImage(t, i, "bob@example.com", intoto.TypeSigned, digest[:]), unseen}, code: "could-not-look", exit: verdict.ExitUndecided},
		"bob's":            {hangs: []verdict.Hanging{signImage(t, i, "bob@example.com", intoto.TypeSigned, digest[:])}, code: "identity-mismatch", exit: verdict.ExitRefused},
		"of another image": {hangs: []verdict.Hanging{signImage(t, i, alice, intoto.TypeSigned, other[:])}, code: "subject-mismatch", exit: verdict.ExitRefused},
		"rubbish":          {hangs: []verdict.Hanging{rubbish}, code: "bundle-malformed", exit: verdict.ExitUsage},
	} {
		all := said(t, judge(t, i), verdict.Finder{Registry: shelf{verdict.Held{Digest: digest[:], Bundles: c.hangs}, c.problem}}, image)
		if got := code(t, all); got != c.code || all[0].Problem != nil && all[0].Problem.Exit != c.exit {
			t.Errorf("%s: %s, want %s", what, got, c.code)
		}
	}
}

// A signature over a payload is one of the image that the payload names.
func TestPayload(t *testing.T) {
	i := hallmarktest.New(t)
	digest, other := sha256.Sum256([]byte("image")), sha256.Sum256([]byte("another"))
	payload := fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":"a"},"image":{"docker-manifest-digest":"sha256:%x"},"type":"cosign container image signature"},"optional":null}`, digest)
	b, err := signer(t, i, alice).Message(t.Context(), bytes.NewReader(payload))
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		payload, digest []byte
		code            string
	}{
		"its own":                  {payload, digest[:], "verified"},
		"another image's":          {payload, other[:], "artifact-mismatch"},
		"a changed one":            {bytes.Replace(payload, []byte(`"a"`), []byte(`"b"`), 1), digest[:], "artifact-mismatch"},
		"one that names another":   {fmt.Appendf(nil, "%s", bytes.ReplaceAll(payload, fmt.Appendf(nil, "%x", digest), fmt.Appendf(nil, "%x", other))), other[:], "artifact-mismatch"},
		"no payload, but the hash": {nil, digest[:], "artifact-mismatch"},
		"rubbish":                  {[]byte("{}"), digest[:], "malformed"},
	} {
		hangs := []verdict.Hanging{{Name: "sig", Bundle: b, Payload: c.payload}}
		all := said(t, judge(t, i), verdict.Finder{Registry: shelf{held: verdict.Held{Digest: c.digest, Bundles: hangs}}}, "reg.example.com/a:1")
		if got := code(t, all); got != c.code {
			t.Errorf("%s: %s", what, got)
		}
		if c.code == "verified" && all[0].Report().Digest != fmt.Sprintf("sha256:%x", digest) {
			t.Error(all[0].Report().Digest)
		}
	}
}

// The statement that an image is signed counts as a signature where a rule asks
// for one; an attestation does not.
func TestSignedStatement(t *testing.T) {
	i := hallmarktest.New(t)
	digest := sha256.Sum256([]byte("image"))
	j := judge(t, i)
	p, err := policy.Parse(fmt.Appendf(nil, "version: 1\nsigners: {alice: {email: %s, issuer: %q}}\nrequire: [{signedBy: [alice]}]\n", alice, i.URL), nil)
	if err != nil {
		t.Fatal(err)
	}
	j.Policy = p
	for predicateType, want := range map[string]string{intoto.TypeSigned: "verified", "https://example.com/bad": "predicate-type-mismatch"} {
		hangs := []verdict.Hanging{signImage(t, i, alice, predicateType, digest[:])}
		if got := code(t, said(t, j, verdict.Finder{Registry: shelf{held: verdict.Held{Digest: digest[:], Bundles: hangs}}}, "reg.example.com/a:1")); got != want {
			t.Errorf("%s: %s", predicateType, got)
		}
	}
}

func TestSubject(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, path := range []string{"a", "reg.example.com/file:1", "oci:a", "file:a"} {
		write(t, path, "content")
	}
	with, without := verdict.Finder{Registry: shelf{}}, verdict.Finder{}
	for _, c := range []struct {
		finder verdict.Finder
		arg    string
		text   string
		image  bool
		refuse bool
	}{
		{with, "a", "a", false, false}, {with, "missing", "missing", false, false}, {with, "-", "-", false, false},
		{with, "reg.example.com/a:1", "reg.example.com/a:1", true, false}, {without, "reg.example.com/a:1", "reg.example.com/a:1", false, false},
		{with, "oci:b", "b", true, false}, {without, "oci:b", "", false, true}, {with, "file:b", "b", false, false},
		{with, "file:-", "./-", false, false}, {with, "file:reg.example.com/file:1", "reg.example.com/file:1", false, false},
		{with, "reg.example.com/file:1", "", false, true}, {without, "reg.example.com/file:1", "reg.example.com/file:1", false, false},
		{with, "oci:a", "", false, true}, {with, "file:a", "", false, true}, {with, "./oci:a", "./oci:a", false, false},
		{with, filepath.Join(".", "a"), "a", false, false},
	} {
		text, image, problem := c.finder.Subject(c.arg)
		if text != c.text || image != c.image || (problem != nil) != c.refuse {
			t.Errorf("%s: %q, %v, %v", c.arg, text, image, problem)
		}
	}
}

// Where the bundles on an image are not enough, older signatures are looked for, and
// only there; that they could not be looked at leaves it open.
func TestLooksAgain(t *testing.T) {
	i := hallmarktest.New(t)
	digest := sha256.Sum256([]byte("image"))
	alices := signImage(t, i, alice, intoto.TypeSigned, digest[:])
	bobs := signImage(t, i, "bob@example.com", intoto.TypeSigned, digest[:])
	down := &verdict.Problem{Exit: verdict.ExitUndecided, Code: "could-not-look", Err: errors.New("500")}
	for what, c := range map[string]struct {
		first, older verdict.Hanging
		problem      *verdict.Problem
		code         string
		looked       int
	}{
		"the first is enough": {first: alices, older: bobs, code: "verified"},
		"an older one is":     {first: bobs, older: alices, code: "verified", looked: 1},
		"none is":             {first: bobs, older: bobs, code: "identity-mismatch", looked: 1},
		"older ones unseen":   {first: bobs, problem: down, code: "could-not-look", looked: 1},
		"unseen, not needed":  {first: alices, problem: down, code: "verified"},
	} {
		looked := 0
		more := func(context.Context) ([]verdict.Hanging, *verdict.Problem) {
			looked++
			if c.problem != nil {
				return nil, c.problem
			}
			return []verdict.Hanging{c.older}, nil
		}
		held := verdict.Held{Digest: digest[:], Bundles: []verdict.Hanging{c.first}, More: more}
		if got := code(t, said(t, judge(t, i), verdict.Finder{Registry: shelf{held: held}}, "reg.example.com/a:1")); got != c.code || looked != c.looked {
			t.Errorf("%s: %s, looked %d times", what, got, looked)
		}
	}
}
