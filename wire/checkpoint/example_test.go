// SPDX-License-Identifier: Apache-2.0

package checkpoint_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"log"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

func ExampleOpen() {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)) // the log's key
	signer, err := checkpoint.NewSigner("log.example.com", key)
	if err != nil {
		log.Fatal(err)
	}
	envelope, err := checkpoint.Sign(checkpoint.Checkpoint{
		Origin: "log.example.com",
		Size:   1,
		Root:   tlog.Hash(sha256.Sum256([]byte("\x00entry"))),
	}, signer)
	if err != nil {
		log.Fatal(err)
	}

	// A reader of the log knows its name and public key.
	verifier, err := checkpoint.NewVerifier("log.example.com", key.Public())
	if err != nil {
		log.Fatal(err)
	}
	c, _, err := checkpoint.Open(envelope, verifier)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Origin, c.Size, c.Root)
	// Output: log.example.com 1 2cLWa1IsJSJyj1Of+fZ7hdQN7/8JX8ilKMmU9PNbs94=
}
