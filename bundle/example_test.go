// SPDX-License-Identifier: Apache-2.0

package bundle_test

import (
	"crypto/x509"
	"fmt"
	"os"

	"github.com/hallmark-sign/hallmark/bundle"
)

// This example reads a bundle. Parse verifies nothing; package verify does.
func ExampleParse() {
	raw, err := os.ReadFile("../verify/testdata/example/release.bundle.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := bundle.Parse(raw)
	if err != nil {
		fmt.Println(err)
		return
	}
	leaf, err := x509.ParseCertificate(b.Certificates[0])
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(leaf.EmailAddresses, len(b.Entries), len(b.Timestamps))
	// Output: [alice@example.com] 1 1
}
