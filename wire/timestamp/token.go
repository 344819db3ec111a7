package timestamp

import (
	"bytes"
	"crypto"
	"crypto/subtle"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Token is a time-stamp token (RFC 3161 §2.4.2): what an authority has signed,
// and the signature. It is verified by VerifySignature.
type Token struct {
	Time     time.Time     // genTime, UTC
	Accuracy time.Duration // Time may be off by this much; 0: not said
	Hash     crypto.Hash   // SHA256, SHA384 or SHA512
	Imprint  []byte        // the hash that existed at Time
	Policy   asn1.ObjectIdentifier
	Serial   *big.Int
	Nonce    *big.Int // of the request; nil: none

	// Certificates are those inside the token, in its order: none when the
	// request did not ask. Nobody vouches for them.
	Certificates []*x509.Certificate

	Raw []byte // DER of the token: a ContentInfo

	content []byte // TSTInfo, of which the signed attributes hold the hash
	signer  signerInfo
}

// ParseToken parses a DER token, the ContentInfo inside a response. It verifies
// nothing.
func ParseToken(der []byte) (*Token, error) {
	if len(der) > MaxResponse {
		return nil, fmt.Errorf("parsing timestamp token: more than %d bytes", MaxResponse)
	}
	t, err := parseToken(der)
	if err != nil {
		return nil, fmt.Errorf("parsing timestamp token: %w", err)
	}
	return t, nil
}

func parseToken(der cryptobyte.String) (*Token, error) {
	signed, err := parseSignedData(der)
	if err != nil {
		return nil, err
	}
	t := &Token{Raw: bytes.Clone(der), content: signed.content, signer: signed.signer}
	if err := t.parseInfo(signed.content); err != nil {
		return nil, fmt.Errorf("TSTInfo: %w", err)
	}
	for _, raw := range signed.certificates {
		cert, err := x509.ParseCertificate(raw)
		if err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
		t.Certificates = append(t.Certificates, cert)
	}
	return t, nil
}

// parseInfo reads
//
//	TSTInfo ::= SEQUENCE { version INTEGER { v1(1) }, policy TSAPolicyId,
//	  messageImprint MessageImprint, serialNumber INTEGER, genTime GeneralizedTime,
//	  accuracy Accuracy OPTIONAL, ordering BOOLEAN DEFAULT FALSE, nonce INTEGER OPTIONAL,
//	  tsa [0] GeneralName OPTIONAL, extensions [1] IMPLICIT Extensions OPTIONAL }
func (t *Token) parseInfo(der cryptobyte.String) error {
	var info, field cryptobyte.String
	var version int
	if !der.ReadASN1(&info, cbasn1.SEQUENCE) || !der.Empty() || !info.ReadASN1Integer(&version) || version != 1 {
		return errors.New("not one DER SEQUENCE of version 1")
	}
	if !readOID(&info, &t.Policy) {
		return errors.New("malformed policy")
	}
	var ok bool
	if t.Hash, t.Imprint, ok = readImprint(&info); !ok || t.Hash == 0 || len(t.Imprint) != t.Hash.Size() {
		return errors.New("imprint is no SHA-256, SHA-384 or SHA-512 hash")
	}
	if t.Serial, ok = readInteger(&info); !ok {
		return errors.New("malformed serial number")
	}
	if !info.ReadASN1(&field, cbasn1.GeneralizedTime) {
		return errors.New("malformed time")
	}
	if t.Time, ok = parseTime(string(field)); !ok {
		return errors.New("malformed time")
	}
	return t.parseOptional(info)
}

func (t *Token) parseOptional(info cryptobyte.String) (err error) {
	var field cryptobyte.String
	var ok, ordering bool
	if info.PeekASN1Tag(cbasn1.SEQUENCE) {
		if t.Accuracy, ok = readAccuracy(&info); !ok {
			return errors.New("malformed accuracy")
		}
	}
	if info.PeekASN1Tag(cbasn1.BOOLEAN) && !info.ReadASN1Boolean(&ordering) {
		return errors.New("malformed ordering")
	}
	if info.PeekASN1Tag(cbasn1.INTEGER) {
		if t.Nonce, ok = readInteger(&info); !ok {
			return errors.New("malformed nonce")
		}
	}
	if !info.ReadOptionalASN1(&field, nil, cbasn1.Tag(0x80|0x20|0)) {
		return errors.New("malformed name of the authority")
	}
	// No extension is known here, so one that is critical can't be obeyed; the
	// protocol has none that are.
	if !info.Empty() {
		return errors.New("extensions or trailing data")
	}
	return nil
}

// parseTime reads a GeneralizedTime as §2.4.2 wants it: "YYYYMMDDhhmmss[.s...]Z",
// where "the fractional-seconds elements … MUST omit all trailing 0's" and "if
// the elements correspond to 0, they MUST be wholly omitted, and the decimal
// point element also MUST be omitted".
func parseTime(s string) (time.Time, bool) {
	digits, ok := strings.CutSuffix(s, "Z")
	seconds, fraction, point := strings.Cut(digits, ".")
	if !ok || len(seconds) != 14 || point && (fraction == "" || len(fraction) > 9 || strings.HasSuffix(fraction, "0")) {
		return time.Time{}, false
	}
	for _, r := range seconds + fraction {
		if r < '0' || r > '9' {
			return time.Time{}, false
		}
	}
	t, err := time.Parse("20060102150405Z", s) // takes the fraction as well
	return t, err == nil
}

// readAccuracy reads Accuracy { seconds INTEGER OPTIONAL,
// millis [0] INTEGER (1..999) OPTIONAL, micros [1] INTEGER (1..999) OPTIONAL }.
func readAccuracy(s *cryptobyte.String) (time.Duration, bool) {
	var seq cryptobyte.String
	if !s.ReadASN1(&seq, cbasn1.SEQUENCE) {
		return 0, false
	}
	var seconds uint32
	var millis, micros uint16
	if seq.PeekASN1Tag(cbasn1.INTEGER) && !seq.ReadASN1Integer(&seconds) {
		return 0, false
	}
	ok := readPart(&seq, &millis, 0) && readPart(&seq, &micros, 1) && seq.Empty()
	return time.Duration(seconds)*time.Second + time.Duration(millis)*time.Millisecond +
		time.Duration(micros)*time.Microsecond, ok
}

func readPart(s *cryptobyte.String, part *uint16, tag cbasn1.Tag) bool {
	tag = tag.ContextSpecific()
	if !s.PeekASN1Tag(tag) {
		return true
	}
	var value cryptobyte.String
	if !s.ReadASN1(&value, tag) || len(value) == 0 || len(value) > 2 || value[0] > 0x7f || len(value) == 2 && value[0] == 0 && value[1] < 0x80 {
		return false
	}
	for _, octet := range value {
		*part = *part<<8 | uint16(octet)
	}
	return *part >= 1 && *part <= 999
}

// CheckImprint says whether the token is for message: nil if the imprint is its
// hash.
func (t *Token) CheckImprint(message []byte) error {
	h := t.Hash.New()
	h.Write(message)
	if subtle.ConstantTimeCompare(h.Sum(nil), t.Imprint) != 1 {
		return errors.New("timestamp is for something else: imprint differs")
	}
	return nil
}

// CheckRequest says whether the token answers r: its imprint, its nonce, and its
// policy where r asks for one (§2.2).
func (t *Token) CheckRequest(r Request) error {
	switch {
	case t.Hash != r.Hash || !bytes.Equal(t.Imprint, r.Imprint):
		return errors.New("timestamp does not answer the request: imprint differs")
	case r.Nonce != nil && (t.Nonce == nil || t.Nonce.Cmp(r.Nonce) != 0):
		return errors.New("timestamp does not answer the request: nonce differs")
	case r.Policy != nil && !r.Policy.Equal(t.Policy):
		return errors.New("timestamp does not answer the request: policy differs")
	}
	return nil
}
