// SPDX-License-Identifier: Apache-2.0

package publickey

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
)

// curveNamed returns the curve with this name in RFC 5656 §10.1, or nil.
func curveNamed(name string) elliptic.Curve {
	return map[string]elliptic.Curve{"nistp256": elliptic.P256(), "nistp384": elliptic.P384(), "nistp521": elliptic.P521()}[name]
}

// isOpenSSH reports whether text starts like a line of an OpenSSH key:
//
//	ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI… alice@example.com
func isOpenSSH(text []byte) bool {
	return bytes.HasPrefix(text, []byte("ssh-")) || bytes.HasPrefix(text, []byte("ecdsa-sha2-")) || bytes.HasPrefix(text, []byte("sk-"))
}

func parseOpenSSH(text []byte) (crypto.PublicKey, error) {
	if bytes.ContainsAny(text, "\r\n") {
		return nil, errors.New("more than one line of OpenSSH keys")
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return nil, errors.New("OpenSSH key without its second field")
	}
	blob, err := base64.StdEncoding.Strict().DecodeString(string(fields[1]))
	if err != nil {
		return nil, errors.New("OpenSSH key is not base64")
	}
	in := cryptobyte.String(blob)
	kind, ok := readString(&in)
	if !ok || string(kind) != string(fields[0]) {
		return nil, errors.New("OpenSSH key type does not match the key")
	}
	key, ok := readKey(string(kind), &in)
	if !ok || !in.Empty() {
		return nil, fmt.Errorf("unsupported OpenSSH key type %.40q: want ssh-ed25519, ecdsa-sha2-nistp256, -nistp384, -nistp521 or ssh-rsa", kind)
	}
	return key, nil
}

func readKey(kind string, in *cryptobyte.String) (crypto.PublicKey, bool) {
	first, ok := readString(in)
	if !ok {
		return nil, false
	}
	switch kind {
	case "ssh-ed25519":
		return ed25519.PublicKey(bytes.Clone(first)), len(first) == ed25519.PublicKeySize
	case "ssh-rsa":
		modulus, ok := readString(in)
		e, n := new(big.Int).SetBytes(first), new(big.Int).SetBytes(modulus)
		if !ok || !e.IsInt64() || e.Int64() > 1<<31-1 || e.Int64() < 3 || len(modulus) > 1<<10 {
			return nil, false
		}
		return &rsa.PublicKey{N: n, E: int(e.Int64())}, true
	}
	curve := curveNamed(string(first))
	if curve == nil || kind != "ecdsa-sha2-"+string(first) {
		return nil, false
	}
	point, _ := readString(in)
	key, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	return key, err == nil
}

// readString reads a string (RFC 4251 §5): a length of four bytes, then the
// bytes.
func readString(in *cryptobyte.String) (out []byte, ok bool) {
	var length uint32
	ok = in.ReadUint32(&length) && uint64(length) <= uint64(len(*in)) && in.ReadBytes(&out, int(length))
	return out, ok
}
