// SPDX-License-Identifier: Apache-2.0

package judge_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/hallmark-sign/hallmark/hallmarktest"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

// A drawer is a store, by digest, that counts requests.
type drawer struct {
	held    map[[32]byte][]find.Source
	problem error

	mu    sync.Mutex
	asked map[[32]byte]int
}

func (d *drawer) Name() string { return "the drawer" }

func (d *drawer) Bundles(_ context.Context, digest []byte) ([]find.Source, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.asked == nil {
		d.asked = map[[32]byte]int{}
	}
	d.asked[[32]byte(digest)]++
	return d.held[[32]byte(digest)], d.problem
}

// hold signs content as who, for a drawer.
func hold(t *testing.T, i *hallmarktest.Instance, who, content string) []find.Source {
	t.Helper()
	b, err := i.Signer(t, who).Message(t.Context(), strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return []find.Source{{Name: "the drawer 1", Elsewhere: true, Bundle: b}}
}

// TestStore checks that only artifacts without a bundle are looked up in the store, not those
// whose bundle is refused.
func TestStore(t *testing.T) {
	t.Chdir(t.TempDir())
	i := hallmarktest.New(t)
	for _, name := range []string{"alices", "bobs", "nobodys"} {
		write(t, name, name)
	}
	signFile(t, i.Signer(t, alice), "beside", "beside")
	signFile(t, i.Signer(t, "bob@example.com"), "refused", "refused")
	image, other := sha256.Sum256([]byte("image")), sha256.Sum256([]byte("other image"))
	d := &drawer{held: map[[32]byte][]find.Source{
		sha256.Sum256([]byte("alices")):  hold(t, i, alice, "alices"),
		sha256.Sum256([]byte("bobs")):    hold(t, i, "bob@example.com", "bobs"),
		sha256.Sum256([]byte("refused")): hold(t, i, alice, "refused"),
		image:                            {signImage(t, i, alice, intoto.TypeSigned, image[:])},
	}}
	shelved := func(digest [32]byte) find.Finder {
		return find.Finder{Registry: shelf{held: find.Evidence{Subject: find.Digest{Artifact: "reg.example.com/a:1", Sum: digest[:]}}}}
	}
	for name, c := range map[string]struct {
		finder      find.Finder
		arg, code   string
		asked       int
		reasonNames []string
	}{
		"file":           {arg: "alices", code: "verified", asked: 1},
		"standard input": {arg: "-", code: "verified", asked: 1},
		"digest":         {arg: "sha256:" + hexOf("alices"), code: "verified", asked: 1},
		"image":          {finder: shelved(image), arg: "reg.example.com/a:1", code: "verified", asked: 1},
		"another signer": {arg: "bobs", code: "identity-mismatch", asked: 1},
		"neither":        {arg: "nobodys", code: "unsigned", asked: 1, reasonNames: []string{"nobodys.sigstore.json", "the drawer"}},
		"unknown digest": {arg: "sha256:" + hexOf("what"), code: "unsigned", asked: 1, reasonNames: []string{"the drawer"}},
		"unsigned image": {finder: shelved(other), arg: "reg.example.com/a:1", code: "unsigned", asked: 1, reasonNames: []string{"registry", "the drawer"}},
		"beside":         {arg: "beside", code: "verified"},
		"refused beside": {arg: "refused", code: "identity-mismatch"},
		"named bundle":   {finder: find.Finder{Bundles: []string{"missing"}}, arg: "alices", code: "unreadable"},
	} {
		d.asked = nil
		j := newJudge(t, i)
		j.Store, j.Stdin = d, strings.NewReader("alices")
		all := said(t, j, c.finder, c.arg)
		if got := code(t, all); got != c.code || len(d.asked) != c.asked {
			t.Errorf("%s: %s, asked %d times", name, got, len(d.asked))
		}
		for _, want := range c.reasonNames {
			if !strings.Contains(all[0].Problem().Err.Error(), want) {
				t.Errorf("%s: %v does not name %s", name, all[0].Problem().Err, want)
			}
		}
	}
}

func hexOf(content string) string {
	digest := sha256.Sum256([]byte(content))
	return hex.EncodeToString(digest[:])
}

// TestStoreOfMany checks that each file of a directory without a bundle is looked up once, and
// that files of a list are still checked against the list.
func TestStoreOfMany(t *testing.T) {
	t.Chdir(t.TempDir())
	i := hallmarktest.New(t)
	d := &drawer{held: map[[32]byte][]find.Source{}}
	for _, name := range []string{"a", "b", "c"} {
		write(t, "dist/"+name, name)
		d.held[sha256.Sum256([]byte(name))] = hold(t, i, alice, name)
	}
	j := newJudge(t, i)
	j.Store = d
	for _, v := range said(t, j, find.Finder{}, "dist") {
		if v.Problem() != nil || d.asked[sha256.Sum256([]byte(v.Name[5:]))] != 1 {
			t.Errorf("%s: %v, asked %v", v.Name, v.Problem(), d.asked)
		}
	}
	write(t, "dist/SHA256SUMS", hexOf("a")+"  a\n"+hexOf("b")+"  c\n")
	all := said(t, j, find.Finder{}, "dist/SHA256SUMS")
	if len(all) != 2 || all[0].Problem() != nil || all[1].Problem() == nil || all[1].Problem().Code != "artifact-mismatch" {
		t.Errorf("got %+v", all)
	}
}

// TestStoreUnseen checks that artifacts are undecided if the store can't be consulted, and not
// reported as missing from it.
func TestStoreUnseen(t *testing.T) {
	t.Chdir(t.TempDir())
	i := hallmarktest.New(t)
	write(t, "a", "a")
	d := &drawer{problem: &fault.Problem{Exit: fault.ExitUndecided, Code: "could-not-look", Err: errors.New("500")}}
	j := newJudge(t, i)
	j.Store = d
	all := said(t, j, find.Finder{}, "a")
	if p := all[0].Problem(); p == nil || p.Exit != fault.ExitUndecided || p.Subject != "a" || fault.Of(d.problem).Subject != "" {
		t.Errorf("got %+v, of %+v", p, d.problem)
	}
	if err := os.Remove("a"); err != nil {
		t.Fatal(err)
	}
	if got := code(t, said(t, j, find.Finder{}, "a")); got != "unreadable" {
		t.Errorf("no file: %s", got)
	}
}
