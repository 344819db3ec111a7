// SPDX-License-Identifier: Apache-2.0

package intoto_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/wire/intoto"
)

// allocated returns the number of bytes that f allocates, freed or not.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// with returns a statement with the given predicate.
func with(predicate string) []byte {
	return []byte(strings.Replace(valid(), `{"a":[1,2]}`, predicate, 1))
}

// TestLargePredicate checks that a predicate of megabytes is not copied when it
// is read, and copied once when it is written.
func TestLargePredicate(t *testing.T) {
	const size, slack = 20 << 20, 1 << 20
	predicate := `{"x": [` + strings.Repeat(`{"name": "package", "version": 1.0}, `, size/37) + `null]} `
	payload := with(predicate)
	var s intoto.Statement
	var err error
	if n := allocated(func() { s, err = intoto.Parse(payload) }); err != nil || n > slack {
		t.Fatalf("%v, %d bytes to read", err, n)
	}
	if string(s.Predicate) != strings.TrimSpace(predicate) {
		t.Fatal("the predicate differs")
	}
	if n := allocated(func() { _, err = s.Marshal() }); err != nil || n > len(payload)+slack {
		t.Fatalf("%v, %d bytes to write", err, n)
	}
	s.Predicate = s.Predicate[1:]
	if _, err := s.Marshal(); !errors.Is(err, intoto.ErrStatement) {
		t.Errorf("invalid JSON is written: %v", err)
	}
}

// TestLargeAndRefused checks that other large statements are refused before
// memory is allocated for them: nested arrays, a million subjects, a million
// digests.
func TestLargeAndRefused(t *testing.T) {
	const size = 50 << 20
	subject := func(n int) string {
		return fmt.Sprintf(`{"name":"%d","digest":{"sha256":"%064x"}},`, n, n)
	}
	var many strings.Builder
	for n := range 1_000_000 {
		many.WriteString(subject(n))
	}
	for name, payload := range map[string][]byte{
		"nested arrays":      with(strings.Repeat("[", size/2) + strings.Repeat("]", size/2)),
		"nested objects":     with(strings.Repeat(`{"a":`, size/6) + "1" + strings.Repeat("}", size/6)),
		"a million subjects": []byte(strings.Replace(valid(), `"subject":[`, `"subject":[`+many.String(), 1)),
		"an endless string":  with(`{"a":"` + strings.Repeat("x", size)),
		"a digest of megabytes": []byte(strings.Replace(valid(), hex.EncodeToString(digest[:]),
			strings.Repeat("ab", size/8), 1) + "x"),
	} {
		if n := allocated(func() {
			if _, err := intoto.Parse(payload); !errors.Is(err, intoto.ErrStatement) {
				t.Errorf("%s: got %v, want ErrStatement", name, err)
			}
		}); n > 64<<20 {
			t.Errorf("%s: %d bytes to refuse it", name, n)
		}
	}
}
