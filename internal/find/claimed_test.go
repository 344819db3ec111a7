// SPDX-License-Identifier: Apache-2.0

package find_test

import (
	"crypto"
	"reflect"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

// TestSubjectOf checks that a subject with several digests always results in the same artifact.
func TestSubjectOf(t *testing.T) {
	digests := map[string]string{"gitTree": "x"}
	for algorithm, hash := range map[string]crypto.Hash{"sha512": crypto.SHA512, "sha384": crypto.SHA384, "sha256": crypto.SHA256} {
		digests[algorithm] = strings.Repeat("00", hash.Size())
	}
	want := verify.FromDigest(crypto.SHA256, make([]byte, 32))
	for range 50 {
		if got, err := find.SubjectOf(intoto.Statement{Subject: []intoto.Subject{{Digest: digests}}}); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if _, err := find.SubjectOf(intoto.Statement{Subject: []intoto.Subject{{Digest: map[string]string{"gitTree": "x"}}}}); err == nil {
		t.Error("an artifact of no known digest")
	}
}
