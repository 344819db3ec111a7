// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"os"
	"time"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/trust"
)

// ExampleOpen signs a file at an instance with an ID token, and writes the bundle next to it.
func ExampleOpen() {
	signFile := func(ctx context.Context, signingConfig []byte, idToken string, file *os.File) error {
		config, err := trust.ParseSigningConfig(signingConfig)
		if err != nil {
			return err
		}
		services, err := client.Open(config, time.Now(), client.NewHTTP(30*time.Second, nil))
		if err != nil {
			return err
		}
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		services.Fulcio.Token = idToken
		signer := services.Signer(key) // with a certificate, the instance's logs and timestamp authorities
		b, err := signer.Message(ctx, file)
		if err != nil {
			return err
		}
		raw, err := b.Marshal()
		if err != nil {
			return err
		}
		return os.WriteFile(file.Name()+".sigstore.json", raw, 0o666)
	}
	_ = signFile // with the signing config and an ID token of your instance
}
