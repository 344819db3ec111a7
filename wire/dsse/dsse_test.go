// SPDX-License-Identifier: Apache-2.0

package dsse_test

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/wire/dsse"
)

// TestPAEOfTheSpecification uses the vector of protocol.md, "Test vectors".
func TestPAEOfTheSpecification(t *testing.T) {
	e := dsse.Envelope{PayloadType: "http://example.com/HelloWorld", Payload: []byte("hello world")}
	want := "DSSEv1 29 http://example.com/HelloWorld 11 hello world"
	if got := string(e.PAE()); got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}

// TestPAEEdges checks that lengths count bytes, not characters, and that empty
// parts keep their spaces.
func TestPAEEdges(t *testing.T) {
	for want, got := range map[string][]byte{
		"DSSEv1 0  0 ":           dsse.PAE("", nil),
		"DSSEv1 3 ä. 2 ö":        dsse.PAE("ä.", []byte("ö")),
		"DSSEv1 1 a 3 \x00\xff ": dsse.PAE("a", []byte("\x00\xff ")),
	} {
		if string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestWritePAE checks that WritePAE hashes the bytes that PAE returns.
func TestWritePAE(t *testing.T) {
	for _, payload := range []string{"", "{}", strings.Repeat("x", 1<<16)} {
		h := sha256.New()
		dsse.WritePAE(h, "a type", []byte(payload))
		if want := sha256.Sum256(dsse.PAE("a type", []byte(payload))); !bytes.Equal(h.Sum(nil), want[:]) {
			t.Errorf("%d bytes: another hash", len(payload))
		}
	}
}

// FuzzPAEIsInjective checks that moving a byte from the type to the payload
// changes the encoding.
func FuzzPAEIsInjective(f *testing.F) {
	f.Add("a", []byte("b"), "a ", []byte("b"))
	f.Add("application/vnd.in-toto+json", []byte("{}"), "application/vnd.in-toto+json 2", []byte("{}"))
	f.Fuzz(func(t *testing.T, type1 string, payload1 []byte, type2 string, payload2 []byte) {
		same := type1 == type2 && bytes.Equal(payload1, payload2)
		if bytes.Equal(dsse.PAE(type1, payload1), dsse.PAE(type2, payload2)) != same {
			t.Fatalf("(%q, %q) and (%q, %q) share an encoding", type1, payload1, type2, payload2)
		}
	})
}
