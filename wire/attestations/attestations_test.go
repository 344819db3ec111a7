// SPDX-License-Identifier: Apache-2.0

package attestations

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
)

func TestDigest(t *testing.T) {
	text := "sha256:" + strings.Repeat("0a", 32)
	digest, err := ParseDigest(text)
	if err != nil || FormatDigest(digest) != text {
		t.Errorf("%x, %v", digest, err)
	}
	for _, bad := range []string{
		"", "sha256:", strings.Repeat("0a", 32), "sha256:" + strings.Repeat("0A", 32), "sha256:" + strings.Repeat("0a", 31), text + "0a",
		"SHA256:" + strings.Repeat("0a", 32), "sha512:" + strings.Repeat("0a", 32), text + " ", "sha256:../../../etc/passwd", text + "/..", text + "\x00",
	} {
		if _, err := ParseDigest(bad); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestRequest(t *testing.T) {
	body, err := MarshalRequest([]byte(`{"mediaType":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	if bundle, err := ParseRequest(body); err != nil || string(bundle) != `{"mediaType":"x"}` {
		t.Errorf("%s, %v", bundle, err)
	}
	if _, err := MarshalRequest([]byte("{")); err == nil {
		t.Error("invalid JSON was written")
	}
	for _, bad := range []string{
		"", "null", "[]", "{}", `"x"`, `{"bundle":null}`, `{"bundle":[]}`, `{"bundle":"{}"}`, `{"Bundle":{}}`, `{"bundle":{}`,
		`{"bundle":{}}{}`, `{"bundle":{}} x`, `{"bundle":{},"bundle":{}}`, `{"bundle":{},"more":1}`, `{"bundle":{"a":}}`, "{\"bundle\":{\"\xff\":1}}",
	} {
		if _, err := ParseRequest([]byte(bad)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// readers returns the bundles as readers.
func readers(bundles ...string) iter.Seq2[io.Reader, error] {
	return func(yield func(io.Reader, error) bool) {
		for _, b := range bundles {
			if !yield(strings.NewReader(b), nil) {
				return
			}
		}
	}
}

func TestPage(t *testing.T) {
	for _, bundles := range [][]string{nil, {`{"a":1}`}, {`{"a":1}`, `{"b":[{}]}`, `{}`}} {
		var page bytes.Buffer
		if err := WritePage(&page, readers(bundles...)); err != nil {
			t.Fatal(err)
		}
		if want := PageSize(len(bundles), int64(len(strings.Join(bundles, "")))); int64(page.Len()) != want {
			t.Errorf("%d bytes, PageSize says %d", page.Len(), want)
		}
		got, err := ParsePage(page.Bytes())
		if err != nil || !slices.EqualFunc(got, bundles, func(a []byte, b string) bool { return string(a) == b }) {
			t.Errorf("%s: got %s, %v", page.Bytes(), got, err)
		}
	}
	broken := errors.New("disk")
	if err := WritePage(io.Discard, func(yield func(io.Reader, error) bool) { yield(nil, broken) }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

// TestPageOfOthers checks that other members in GitHub's responses are ignored.
func TestPageOfOthers(t *testing.T) {
	got, err := ParsePage([]byte(`{"attestations":[{"bundle":{"mediaType":"m"},"repository_id":1,"bundle_url":"https://u","initiator":"user"}],"more":{"a":[1]}}`))
	if err != nil || len(got) != 1 || string(got[0]) != `{"mediaType":"m"}` {
		t.Errorf("%s, %v", got, err)
	}
	for _, bad := range []string{
		"", "{}", "[]", "null", `{"attestations":null}`, `{"attestations":{}}`, `{"attestations":[],"attestations":[]}`, `{"attestations":[]} x`,
		`{"attestations":[{}]}`, `{"attestations":[{"bundle":null,"bundle_url":"https://u"}]}`, `{"attestations":[{"bundle":{},"bundle":{}}]}`,
		`{"attestations":[{"bundle":[]}]}`, `{"attestations":[null]}`, `{"attestations":[{"bundle":{}}`,
		`{"attestations":[` + strings.TrimSuffix(strings.Repeat(`{"bundle":{}},`, MaxPage+1), ",") + `]}`,
	} {
		if got, err := ParsePage([]byte(bad)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%.80s: %s, %v", bad, got, err)
		}
	}
}

func TestNext(t *testing.T) {
	for header, want := range map[string]string{
		Link("https://a/b?after=30&per_page=30", "next"):                          "after=30&per_page=30",
		Link("https://a?before=3", "prev") + ", " + Link("https://a?x=1", "next"): "x=1",
		`</b?after=a%2Cb,c>; title="x, <y>"; rel=next`:                            "after=a%2Cb%2Cc",
		`<https://a?before=3>; rel="prev"`:                                        "none",
		"":                                                                        "none",
	} {
		query, more, err := Next([]string{header})
		if err != nil || more != (want != "none") || more && query != want {
			t.Errorf("%s: %q, %v, %v", header, query, more, err)
		}
	}
	for _, bad := range []string{"https://a; rel=next", "<https://a", "<:%>; rel=next"} {
		if _, _, err := Next([]string{bad}); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestProblem(t *testing.T) {
	if got := string(MarshalProblem(404, NotFound)); got != `{"message":"no bundle of this digest is kept here","status":"404"}` {
		t.Errorf("got %s", got)
	}
}

// FuzzRequest checks that an accepted bundle is an object and is accepted
// again.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{`{"bundle":{}}`, `{"bundle":{"a":[1,{"b":null}]}}`, `{"bundle":{},"bundle":{}}`, " { \"bundle\" : { } } "} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		bundle, err := ParseRequest(body)
		if err != nil {
			return
		}
		again, err := MarshalRequest(bundle)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseRequest(again); err != nil {
			t.Fatalf("%s: %v", again, err)
		}
	})
}

// FuzzPage checks the limits of a response and its links.
func FuzzPage(f *testing.F) {
	f.Add([]byte(`{"attestations":[{"bundle":{}}]}`), Link("https://a?after=1", "next"))
	f.Add([]byte(`{"a":{},"attestations":[{"repository_id":1,"bundle":{"x":[]}},{"bundle":{}}]}`), `<a>; rel="prev", <b?c>; rel=next`)
	f.Fuzz(func(t *testing.T, body []byte, link string) {
		bundles, err := ParsePage(body)
		if err == nil {
			size := 0
			for _, b := range bundles {
				size += len(b)
			}
			if len(bundles) > MaxPage || PageSize(len(bundles), int64(size)) > int64(len(body)) {
				t.Errorf("%d bundles of %d bytes out of %d", len(bundles), size, len(body))
			}
		}
		Next([]string{link})
	})
}
