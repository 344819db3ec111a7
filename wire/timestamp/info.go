// SPDX-License-Identifier: Apache-2.0

package timestamp

import (
	"encoding/asn1"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// wholeSeconds is the layout of GeneralizedTime as DER and RFC 3161 §2.4.2
// require it, without the fraction and the final Z.
const wholeSeconds = "20060102150405"

// parseInfo parses the TSTInfo of a token (RFC 3161 §2.4.2).
func (t *Token) parseInfo(der []byte) error {
	var body cryptobyte.String
	var version int
	in := cryptobyte.String(der)
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() || !body.ReadASN1Integer(&version) {
		return errors.New("not a DER sequence with a version")
	}
	if version != 1 {
		return fmt.Errorf("version %d, want 1", version)
	}
	if !readOID(&body, &t.Policy) {
		return errors.New("policy is malformed")
	}
	var err error
	if t.Hash, t.Imprint, err = readImprint(&body); err != nil {
		return err
	}
	if t.Serial, err = readOptionalInteger(&body); err != nil || t.Serial == nil {
		return errors.New("serial number is missing or malformed")
	}
	if t.Time, err = readTime(&body); err != nil {
		return err
	}
	return t.parseInfoOptional(&body)
}

// parseInfoOptional parses the fields after genTime.
func (t *Token) parseInfoOptional(in *cryptobyte.String) error {
	var err error
	if t.Accuracy, err = readAccuracy(in); err != nil {
		return err
	}
	if t.Ordering, err = readDefaultFalse(in); err != nil {
		return fmt.Errorf("ordering: %w", err)
	}
	if t.Nonce, err = readOptionalInteger(in); err != nil {
		return fmt.Errorf("nonce: %w", err)
	}
	// "The purpose of the tsa field is to give a hint": its content is ignored.
	if !in.SkipOptionalASN1(cbasn1.Tag(0).ContextSpecific().Constructed()) {
		return errors.New("tsa is malformed")
	}
	var extensions cryptobyte.String
	var present bool
	if !in.ReadOptionalASN1(&extensions, &present, cbasn1.Tag(1).ContextSpecific().Constructed()) || !in.Empty() {
		return errors.New("extensions are malformed, or there is trailing data")
	}
	if present {
		return checkExtensions(extensions)
	}
	return nil
}

// checkExtensions refuses critical extensions, since no extension is known.
func checkExtensions(in cryptobyte.String) error {
	for !in.Empty() {
		var ext, value cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !in.ReadASN1(&ext, cbasn1.SEQUENCE) || !readOID(&ext, &oid) {
			return errors.New("extension is malformed")
		}
		critical, err := readDefaultFalse(&ext)
		if err != nil || !ext.ReadASN1(&value, cbasn1.OCTET_STRING) || !ext.Empty() {
			return errors.New("extension is malformed")
		}
		if critical {
			return fmt.Errorf("unknown critical extension %v", oid)
		}
	}
	return nil
}

// readTime reads a GeneralizedTime: "YYYYMMDDhhmmss[.s...]Z", the fraction
// without trailing zeros.
func readTime(in *cryptobyte.String) (time.Time, error) {
	var raw cryptobyte.String
	malformed := errors.New("genTime is malformed")
	if !in.ReadASN1(&raw, cbasn1.GeneralizedTime) || len(raw) > len(wholeSeconds)+11 {
		return time.Time{}, malformed
	}
	text, ok := strings.CutSuffix(string(raw), "Z")
	if !ok || len(text) < len(wholeSeconds) {
		return time.Time{}, malformed
	}
	layout := wholeSeconds
	if fraction := text[len(wholeSeconds):]; fraction != "" {
		if fraction[0] != '.' || len(fraction) == 1 || strings.HasSuffix(fraction, "0") {
			return time.Time{}, malformed
		}
		layout += "." + strings.Repeat("0", len(fraction)-1)
	}
	at, err := time.Parse(layout, text)
	if err != nil {
		return time.Time{}, malformed
	}
	return at, nil
}

// readAccuracy reads an Accuracy if it comes next: seconds, [0] milliseconds
// and [1] microseconds, each optional.
func readAccuracy(in *cryptobyte.String) (time.Duration, error) {
	if !in.PeekASN1Tag(cbasn1.SEQUENCE) {
		return 0, nil
	}
	var body cryptobyte.String
	malformed := errors.New("accuracy is malformed")
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) {
		return 0, malformed
	}
	total := time.Duration(0)
	for _, part := range []struct {
		tag       cbasn1.Tag
		unit      time.Duration
		low, high int64
	}{
		{cbasn1.INTEGER, time.Second, 0, 1 << 31},
		{cbasn1.Tag(0).ContextSpecific(), time.Millisecond, 1, 999},
		{cbasn1.Tag(1).ContextSpecific(), time.Microsecond, 1, 999},
	} {
		if !body.PeekASN1Tag(part.tag) {
			continue
		}
		var n int64
		if !body.ReadASN1Int64WithTag(&n, part.tag) || n < part.low || n > part.high {
			return 0, malformed
		}
		total += time.Duration(n) * part.unit
	}
	if !body.Empty() {
		return 0, malformed
	}
	return total, nil
}
