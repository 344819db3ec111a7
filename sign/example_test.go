// SPDX-License-Identifier: Apache-2.0

package sign_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/hallmark-sign/hallmark/sign"
)

// A key pair signs without services. A signer of [client.Services] adds a
// certificate, timestamps and log entries; see the example of package client.
func ExampleSigner_Message() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := sign.Signer{Key: key}.Message(context.Background(), strings.NewReader("a release"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%x\n", b.Message.Digest[:4])
	// Output: e9edfb8e
}
