// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/verify"
)

// open returns a verifier and a bundle from files.
func open(rootFile, bundleFile string) (*verify.Verifier, *bundle.Bundle, error) {
	rawRoot, errRoot := os.ReadFile(rootFile)
	rawBundle, errBundle := os.ReadFile(bundleFile)
	if err := errors.Join(errRoot, errBundle); err != nil {
		return nil, nil, err
	}
	root, errRoot := trust.Parse(rawRoot)
	b, errBundle := bundle.Parse(rawBundle)
	if err := errors.Join(errRoot, errBundle); err != nil {
		return nil, nil, err
	}
	v, err := verify.New(root)
	return v, b, err
}

// This example verifies that an identity has signed a file.
func ExampleVerifier_Verify() {
	v, b, err := open("testdata/example/trusted_root.json", "testdata/example/release.bundle.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	file, err := os.Open("testdata/example/release.txt")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer file.Close()
	result, err := v.Verify(b, verify.FromReader(file), verify.Requirements{
		Identities: []identity.Matcher{identity.NewMatcher("alice@example.com", "http://localhost:7777")},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Identity.Subject.Value, "at log index", result.Entries[0].LogIndex)
	// Output: alice@example.com at log index 0
}

// This example verifies an artifact by its digest.
func ExampleFromDigest() {
	v, b, err := open("testdata/example/trusted_root.json", "testdata/example/release.bundle.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	digest, err := hex.DecodeString("d212a7c25f08ad6f8bbaa66c4fdcb469bac34679dbd58e9ecf09c1b669695035")
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = v.Verify(b, verify.FromDigest(crypto.SHA256, digest), verify.Requirements{
		Identities: []identity.Matcher{identity.NewMatcher("alice@example.com", "http://localhost:7777")},
	})
	fmt.Println(err)
	// Output: <nil>
}

// This example shows the step and the stable code of a refusal.
func ExampleError() {
	v, b, err := open("testdata/example/trusted_root.json", "testdata/example/release.bundle.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = v.Verify(b, verify.FromReader(strings.NewReader("changed\n")), verify.Requirements{
		Identities: []identity.Matcher{identity.NewMatcher("alice@example.com", "http://localhost:7777")},
	})
	if refused := new(verify.Error); errors.As(err, &refused) {
		fmt.Println(refused.Step, refused.Code)
	}
	// Output: signature artifact-mismatch
}
