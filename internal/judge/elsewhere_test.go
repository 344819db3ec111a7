// SPDX-License-Identifier: Apache-2.0

package judge_test

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
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/internal/report"
	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/wire/dsse"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

// A shelf is a registry with one image, reg.example.com/a:1.
type shelf struct {
	held    find.Evidence
	problem error
}

func (s shelf) Misnamed(string) error { return nil }

func (s shelf) IsImage(text string) bool { return strings.HasPrefix(text, "reg.example.com/") }

func (s shelf) Look(context.Context, string) (find.Evidence, error) {
	return s.held, s.problem
}

// signImage makes a bundle over a statement about a digest.
func signImage(t *testing.T, i *hallmarktest.Instance, who, predicateType string, digest []byte) find.Source {
	t.Helper()
	statement := intoto.Statement{
		Type: intoto.TypeV1, PredicateType: predicateType, Predicate: []byte("{}"),
		Subject: []intoto.Subject{{Digest: map[string]string{"sha256": hex.EncodeToString(digest)}}},
	}
	payload, err := statement.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	b, err := i.Signer(t, who).Envelope(t.Context(), dsse.PayloadTypeInToto, payload)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return find.Elsewhere("reg.example.com/a@sha256:00", raw)
}

// TestImages checks that bundles attached to an image are judged like those next to a file, and
// that unreachable ones leave the image undecided, unless the others are enough.
func TestImages(t *testing.T) {
	const image = "reg.example.com/a:1"
	i := hallmarktest.New(t)
	digest, other := sha256.Sum256([]byte("image")), sha256.Sum256([]byte("another"))
	good := signImage(t, i, alice, intoto.TypeSigned, digest[:])
	unseen := find.Source{Elsewhere: true, Err: &fault.Problem{Exit: fault.ExitUndecided, Code: "could-not-look", Err: errors.New("500")}}
	rubbish := find.Elsewhere("r", []byte("{}"))
	for what, c := range map[string]struct {
		hangs   []find.Source
		problem error
		code    string
		exit    int
	}{
		"signed":           {hangs: []find.Source{good}, code: "verified"},
		"with rubbish":     {hangs: []find.Source{rubbish, good}, code: "verified"},
		"one unseen":       {hangs: []find.Source{unseen, good}, code: "verified"},
		"unsigned":         {code: "unsigned", exit: fault.ExitRefused},
		"could not look":   {problem: unseen.Err, code: "could-not-look", exit: fault.ExitUndecided},
		"bob's and unseen": {hangs: []find.Source{signImage(t, i, "bob@example.com", intoto.TypeSigned, digest[:]), unseen}, code: "could-not-look", exit: fault.ExitUndecided},
		"bob's":            {hangs: []find.Source{signImage(t, i, "bob@example.com", intoto.TypeSigned, digest[:])}, code: "identity-mismatch", exit: fault.ExitRefused},
		"of another image": {hangs: []find.Source{signImage(t, i, alice, intoto.TypeSigned, other[:])}, code: "subject-mismatch", exit: fault.ExitRefused},
		"rubbish":          {hangs: []find.Source{rubbish}, code: "bundle-malformed", exit: fault.ExitUsage},
	} {
		all := said(t, newJudge(t, i), find.Finder{Registry: shelf{find.Evidence{Subject: find.Digest{Artifact: "reg.example.com/a:1", Sum: digest[:]}, Sources: c.hangs}, c.problem}}, image)
		if got := code(t, all); got != c.code || all[0].Problem() != nil && all[0].Problem().Exit != c.exit {
			t.Errorf("%s: %s, want %s", what, got, c.code)
		}
	}
}

// TestPayload checks that a signature over a payload counts for the image that it names.
func TestPayload(t *testing.T) {
	i := hallmarktest.New(t)
	digest, other := sha256.Sum256([]byte("image")), sha256.Sum256([]byte("another"))
	payload := fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":"a"},"image":{"docker-manifest-digest":"sha256:%x"},"type":"cosign container image signature"},"optional":null}`, digest)
	b, err := i.Signer(t, alice).Message(t.Context(), bytes.NewReader(payload))
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
		hangs := []find.Source{{Name: "sig", Elsewhere: true, Bundle: b, Payload: c.payload}}
		all := said(t, newJudge(t, i), find.Finder{Registry: shelf{held: find.Evidence{Subject: find.Digest{Artifact: "reg.example.com/a:1", Sum: c.digest}, Sources: hangs}}}, "reg.example.com/a:1")
		if got := code(t, all); got != c.code {
			t.Errorf("%s: %s", what, got)
		}
		if c.code == "verified" && report.Of(all[0]).Digest != fmt.Sprintf("sha256:%x", digest) {
			t.Error(report.Of(all[0]).Digest)
		}
	}
}

// TestSignedStatement checks that the statement that an image is signed counts as a signature,
// and that an attestation does not.
func TestSignedStatement(t *testing.T) {
	i := hallmarktest.New(t)
	digest := sha256.Sum256([]byte("image"))
	j := newJudge(t, i)
	p, err := policy.Parse(fmt.Appendf(nil, "version: 1\nsigners: {alice: {email: %s, issuer: %q}}\nrequire: [{signedBy: [alice]}]\n", alice, i.URL), nil)
	if err != nil {
		t.Fatal(err)
	}
	j.Policy = p
	for predicateType, want := range map[string]string{intoto.TypeSigned: "verified", "https://example.com/bad": "predicate-type-mismatch"} {
		hangs := []find.Source{signImage(t, i, alice, predicateType, digest[:])}
		if got := code(t, said(t, j, find.Finder{Registry: shelf{held: find.Evidence{Subject: find.Digest{Artifact: "reg.example.com/a:1", Sum: digest[:]}, Sources: hangs}}}, "reg.example.com/a:1")); got != want {
			t.Errorf("%s: %s", predicateType, got)
		}
	}
}

func TestSubject(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, path := range []string{"a", "reg.example.com/file:1", "oci:a", "file:a"} {
		write(t, path, "content")
	}
	with, without := find.Finder{Registry: shelf{}}, find.Finder{}
	for _, c := range []struct {
		finder find.Finder
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

// TestLooksAgain checks that older signatures are only looked for if the bundles on an image are
// not enough. If the lookup fails, the image is undecided.
func TestLooksAgain(t *testing.T) {
	i := hallmarktest.New(t)
	digest := sha256.Sum256([]byte("image"))
	alices := signImage(t, i, alice, intoto.TypeSigned, digest[:])
	bobs := signImage(t, i, "bob@example.com", intoto.TypeSigned, digest[:])
	down := &fault.Problem{Exit: fault.ExitUndecided, Code: "could-not-look", Err: errors.New("500")}
	for what, c := range map[string]struct {
		first, older find.Source
		problem      error
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
		more := func(context.Context) ([]find.Source, error) {
			looked++
			if c.problem != nil {
				return nil, c.problem
			}
			return []find.Source{c.older}, nil
		}
		held := find.Evidence{Subject: find.Digest{Artifact: "reg.example.com/a:1", Sum: digest[:]}, Sources: []find.Source{c.first}, More: more}
		if got := code(t, said(t, newJudge(t, i), find.Finder{Registry: shelf{held: held}}, "reg.example.com/a:1")); got != c.code || looked != c.looked {
			t.Errorf("%s: %s, looked %d times", what, got, looked)
		}
	}
}

// TestJudgingChangesNothing shows that what was found can be judged again, by another judge
// too: a subject's digest and bundles are no part of it.
func TestJudgingChangesNothing(t *testing.T) {
	i, dir := hallmarktest.New(t), t.TempDir()
	signFile(t, i.Signer(t, alice), filepath.Join(dir, "a"), "content")
	digest := sha256.Sum256([]byte("content"))
	finder := find.Finder{Registry: shelf{held: find.Evidence{
		Subject: find.Digest{Artifact: "reg.example.com/a:1", Sum: digest[:]}, Sources: []find.Source{signImage(t, i, alice, intoto.TypeSigned, digest[:])},
	}}}
	for item := range finder.All([]string{filepath.Join(dir, "a"), "reg.example.com/a:1", "sha256:" + hex.EncodeToString(digest[:])}) {
		before := fmt.Sprintf("%#v", item)
		for range 2 {
			v := newJudge(t, i).Judge(t.Context(), item)
			if v.Name != item.Name() || (v.Err == nil) != (item.Name() != "sha256:"+hex.EncodeToString(digest[:])) {
				t.Errorf("%s: %+v", v.Name, v.Problem())
			}
		}
		if after := fmt.Sprintf("%#v", item); after != before {
			t.Errorf("%s has changed:\n%s\n%s", item.Name(), before, after)
		}
	}
}
