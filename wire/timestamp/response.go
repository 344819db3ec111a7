package timestamp

import (
	"errors"
	"fmt"
	"math/bits"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// MaxResponse is the longest response or token that is parsed, in bytes. Real
// ones have 1 to 10 KB.
const MaxResponse = 1 << 20

// PKIStatus values (RFC 3161 §2.4.2).
const (
	statusGranted         = 0
	statusGrantedWithMods = 1
	statusRejection       = 2
)

// ErrRejected is in the error of ParseResponse when the authority has given no
// token. The Failure is beside it when the authority has named one.
var ErrRejected = errors.New("timestamp request was rejected")

// ParseResponse parses a DER response and the token in it. It verifies nothing.
func ParseResponse(der []byte) (*Token, error) {
	if len(der) > MaxResponse {
		return nil, fmt.Errorf("parsing timestamp response: more than %d bytes", MaxResponse)
	}
	t, err := parseResponse(der)
	if err != nil {
		return nil, fmt.Errorf("parsing timestamp response: %w", err)
	}
	return t, nil
}

func parseResponse(der cryptobyte.String) (*Token, error) {
	var resp, info cryptobyte.String
	var status int
	if !der.ReadASN1(&resp, cbasn1.SEQUENCE) || !der.Empty() {
		return nil, errors.New("not one DER SEQUENCE")
	}
	if !resp.ReadASN1(&info, cbasn1.SEQUENCE) || !info.ReadASN1Integer(&status) {
		return nil, errors.New("malformed status")
	}
	var text cryptobyte.String
	if !info.ReadOptionalASN1(&text, nil, cbasn1.SEQUENCE) {
		return nil, errors.New("malformed status string")
	}
	failure, err := readFailure(&info)
	if err != nil {
		return nil, err
	}
	// "When the status contains the value zero or one, a TimeStampToken MUST be
	// present. When status contains a value other than zero or one, a
	// TimeStampToken MUST NOT be present."
	if status != statusGranted && status != statusGrantedWithMods {
		return nil, fmt.Errorf("%w: status %d: %w", ErrRejected, status, failure)
	}
	return parseToken(resp)
}

// readFailure reads the optional PKIFailureInfo BIT STRING at the end of the
// status; without one it is SystemFailure, which asks nothing of the client.
func readFailure(info *cryptobyte.String) (Failure, error) {
	if info.Empty() {
		return SystemFailure, nil
	}
	var field cryptobyte.String
	if !info.ReadASN1(&field, cbasn1.BIT_STRING) || !info.Empty() || len(field) < 2 || len(field) > 5 {
		return 0, errors.New("malformed failure information")
	}
	for i, octet := range field[1:] {
		if octet != 0 {
			return Failure(8*i + bits.LeadingZeros8(octet)), nil
		}
	}
	return SystemFailure, nil
}

// MarshalResponse is the response that grants a token, which is DER.
func MarshalResponse(token []byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1Int64(statusGranted) })
		b.AddBytes(token)
	})
	return b.Bytes()
}

// MarshalRejection is the response that gives no token, and says why to programs
// and to people.
func MarshalRejection(f Failure, text string) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(statusRejection)
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(text)) })
			})
			b.AddASN1(cbasn1.BIT_STRING, func(b *cryptobyte.Builder) { b.AddBytes(f.bitString()) })
		})
	})
	return b.Bytes()
}

// bitString is the contents of the named bit list with the one bit f: "trailing
// 0 bits shall be removed" in DER (X.690 §11.2.2).
func (f Failure) bitString() []byte {
	contents := make([]byte, 2+f/8)
	contents[0] = byte(7 - f%8)
	contents[1+f/8] = 0x80 >> (f % 8)
	return contents
}
