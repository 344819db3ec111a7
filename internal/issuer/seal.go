// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"time"

	"github.com/go-json-experiment/json"
)

// errForm reports that a form is not ours, from another browser, or too old.
// The response is a page that asks to begin again.
var errForm = errors.New("form is not of this browser and hour")

// A sealer makes hidden fields that carry state from page to page: AES-256-GCM
// with a key that exists as long as the process. A field is bound to its
// purpose and to the browser's cookie, so that a forged form of another site is
// refused.
type sealer struct {
	aead  cipher.AEAD
	clock func() time.Time
}

func newSealer(clock func() time.Time) *sealer {
	key := make([]byte, 32)
	rand.Read(key) // never fails
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // 32 bytes are a key
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // AES is a block cipher of 128 bits
	}
	return &sealer{aead, clock}
}

// sealed is the content of a field.
type sealed[T any] struct {
	Expires int64 `json:"expires"` // Unix time
	Value   T     `json:"value"`
}

// Purposes of fields.
const (
	forSignIn = "sign-in"         // holds an authRequest
	forCode   = "user code"       // holds nothing
	forDevice = "device answer"   // holds a user code
	forChange = "password change" // holds nothing
)

func seal[T any](s *sealer, purpose, browser string, value T) (string, error) {
	raw, err := json.Marshal(sealed[T]{s.clock().Add(formLife).Unix(), value})
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, raw, []byte(purpose+"\x00"+browser))), nil
}

// unseal opens a field that seal returned. Errors match errForm.
func unseal[T any](s *sealer, purpose, browser, field string) (T, error) {
	var v sealed[T]
	box, err := base64.RawURLEncoding.Strict().DecodeString(field)
	if err != nil {
		return v.Value, errForm
	}
	raw, err := s.aead.Open(nil, nil, box, []byte(purpose+"\x00"+browser))
	if err != nil || json.Unmarshal(raw, &v) != nil || v.Expires < s.clock().Unix() {
		var none T
		return none, errForm
	}
	return v.Value, nil
}
