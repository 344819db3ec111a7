// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// typeCosignature is the signature type of Ed25519 cosignatures (tlog-cosignature,
// "Format").
const typeCosignature = 0x04

// cosignatureSize is the size of "struct { u64 timestamp; … opaque
// ed25519_signature[64]; }", in bytes.
const cosignatureSize = 8 + ed25519.SignatureSize

// NewCosigner returns a signer for the cosignature lines of a witness. A
// cosignature states that, at the time clock returns, the checkpoint was the
// largest that the witness had seen of its log and was consistent with all
// earlier ones. A key must be used by one witness under one name only.
func NewCosigner(name string, key ed25519.PrivateKey, clock func() time.Time) (note.Signer, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	sign := func(text []byte) ([]byte, error) {
		now := clock().Unix()
		if now < 0 {
			return nil, errors.New("cosigning: the clock is before 1970")
		}
		sig := binary.BigEndian.AppendUint64(nil, uint64(now))
		return append(sig, ed25519.Sign(key, cosigned(uint64(now), text))...), nil
	}
	return &signer{name: name, id: cosignerID(name, key.Public().(ed25519.PublicKey)), sign: sign}, nil
}

// newCosignatureVerifier returns a verifier for the lines of [NewCosigner].
func newCosignatureVerifier(name string, key ed25519.PublicKey) (note.Verifier, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	verify := func(text, sig []byte) error {
		if len(sig) != cosignatureSize {
			return fmt.Errorf("cosignature of %d bytes", len(sig))
		}
		at := binary.BigEndian.Uint64(sig)
		if at > math.MaxInt64 { // "It MUST NOT exceed 2^63 - 1"
			return errors.New("cosignature time is out of range")
		}
		if !ed25519.Verify(key, cosigned(at, text), sig[8:]) {
			return errors.New("cosignature is wrong")
		}
		return nil
	}
	return &verifier{name: name, id: cosignerID(name, key), verify: verify}, nil
}

// cosignatureTime returns the time of a cosignature that [Open] has verified.
func cosignatureTime(sig note.Signature) (time.Time, error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(sig.Base64)
	if err != nil || len(raw) != 4+cosignatureSize {
		return time.Time{}, errors.New("not a cosignature")
	}
	return time.Unix(int64(binary.BigEndian.Uint64(raw[4:])), 0), nil
}

// cosigned returns the signed message: "two newline (U+000A) terminated lines
// (one header line and one timestamp line) followed by the whole note body".
func cosigned(at uint64, text []byte) []byte {
	return append([]byte("cosignature/v1\ntime "+strconv.FormatUint(at, 10)+"\n"), text...)
}

func cosignerID(name string, key ed25519.PublicKey) uint32 {
	return binary.BigEndian.Uint32(keyHash(name, typeCosignature, key))
}

// A Key is a verifier key (vkey) with an Ed25519 key:
//
//	sum.example.com+8075dfc6+AZfo92bPNw0RGqdm3sPQZRQAPj+Mz7THKb0sVOBVVDmd
//
// The parts are the name, the key ID, and the base64 of the signature type and
// the key (signed-note, "Verifier keys").
type Key struct {
	Name      string
	Public    ed25519.PublicKey
	Cosigning bool // whether the key is a witness's; otherwise it is a log's
}

// ParseKey parses the verifier key of a log (type 0x01) or of a witness (type
// 0x04).
func ParseKey(text string) (Key, error) {
	name, rest, _ := strings.Cut(text, "+")
	id, encoded, _ := strings.Cut(rest, "+")
	raw, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || len(raw) != 1+ed25519.PublicKeySize || strings.ContainsAny(encoded, "\r\n") {
		return Key{}, errors.New("parsing verifier key: want NAME+ID+KEY with an Ed25519 key")
	}
	k := Key{Name: name, Public: raw[1:], Cosigning: raw[0] == typeCosignature}
	if raw[0] != typeCosignature && raw[0] != typeEd25519 {
		return Key{}, fmt.Errorf("parsing verifier key: signature type %d is not supported", raw[0])
	}
	if err := checkName(name); err != nil {
		return Key{}, fmt.Errorf("parsing verifier key: %w", err)
	}
	if k.String() != text {
		return Key{}, fmt.Errorf("parsing verifier key: %s is not its ID", id)
	}
	return k, nil
}

// String returns the key in the form that [ParseKey] reads.
func (k Key) String() string {
	kind := byte(typeEd25519)
	if k.Cosigning {
		kind = typeCosignature
	}
	id := keyHash(k.Name, kind, k.Public)[:4]
	return fmt.Sprintf("%s+%08x+%s", k.Name, id, base64.StdEncoding.EncodeToString(append([]byte{kind}, k.Public...)))
}

// Verifier returns a verifier for the signature lines of the log or witness.
func (k Key) Verifier() (note.Verifier, error) {
	if k.Cosigning {
		return newCosignatureVerifier(k.Name, k.Public)
	}
	return NewVerifier(k.Name, k.Public)
}
