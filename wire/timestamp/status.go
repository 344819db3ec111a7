// SPDX-License-Identifier: Apache-2.0

package timestamp

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// A FailInfo is the reason why an authority refuses a request: a bit of
// PKIFailureInfo (RFC 3161 §2.4.2).
type FailInfo int

// The reasons that RFC 3161 defines.
const (
	BadAlg              FailInfo = 0  // digest algorithm is not supported
	BadRequest          FailInfo = 2  // transaction is not permitted or supported
	BadDataFormat       FailInfo = 5  // request is malformed
	TimeNotAvailable    FailInfo = 14 // time source is not available
	UnacceptedPolicy    FailInfo = 15 // policy is not supported
	UnacceptedExtension FailInfo = 16 // extension is not supported
	AddInfoNotAvailable FailInfo = 17 // additional information is not available
	SystemFailure       FailInfo = 25 // the authority failed
)

const (
	statusGranted   = 0
	statusRejection = 2

	// maxFailBytes bounds PKIFailureInfo, whose highest bit is 25.
	maxFailBytes = 4
)

// A StatusError reports that an authority did not grant the request. Repeating
// the request can only succeed if Fail is [SystemFailure] or
// [TimeNotAvailable].
type StatusError struct {
	Status int      // PKIStatus; 2 is rejection
	Fail   FailInfo // lowest bit that is set; -1 if none is
	Text   string   // text of the authority, not authenticated
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("time-stamp not granted: status %d, failure %d: %q", e.Status, e.Fail, e.Text)
}

// MarshalRejection returns the response that refuses a request (RFC 3161
// §2.4.2).
func MarshalRejection(fail FailInfo, text string) ([]byte, error) {
	if fail < 0 || fail >= 8*maxFailBytes || !utf8.ValidString(text) {
		return nil, errors.New("marshalling time-stamp rejection: no such failure, or text that is not UTF-8")
	}
	mask := make([]byte, fail/8+1)
	mask[fail/8] = 0x80 >> (fail % 8)
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(statusRejection)
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(text)) })
			})
			// A named bit list ends with its last set bit (X.690 §11.2.2).
			b.AddASN1(cbasn1.BIT_STRING, func(b *cryptobyte.Builder) {
				b.AddUint8(uint8(7 - fail%8))
				b.AddBytes(mask)
			})
		})
	})
	return b.Bytes()
}

// readStatus reads a PKIStatusInfo. It returns a *StatusError for a status
// other than granted.
func readStatus(in *cryptobyte.String) error {
	var body cryptobyte.String
	e := &StatusError{Fail: -1}
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadASN1Integer(&e.Status) {
		return errors.New("status is malformed")
	}
	if body.PeekASN1Tag(cbasn1.SEQUENCE) && !readFreeText(&body, &e.Text) {
		return errors.New("status text is malformed")
	}
	if body.PeekASN1Tag(cbasn1.BIT_STRING) && !readFail(&body, &e.Fail) {
		return errors.New("failure is malformed")
	}
	if !body.Empty() {
		return errors.New("status has trailing data")
	}
	if e.Status == statusGranted && e.Fail < 0 {
		return nil
	}
	return e
}

// readFreeText reads a PKIFreeText and joins its strings with newlines.
func readFreeText(in *cryptobyte.String, text *string) bool {
	var list, line cryptobyte.String
	if !in.ReadASN1(&list, cbasn1.SEQUENCE) {
		return false
	}
	var lines []string
	for !list.Empty() {
		if !list.ReadASN1(&line, cbasn1.UTF8String) || !utf8.Valid(line) {
			return false
		}
		lines = append(lines, string(line))
	}
	*text = strings.Join(lines, "\n")
	return true
}

func readFail(in *cryptobyte.String, fail *FailInfo) bool {
	var body cryptobyte.String
	var unused uint8
	if !in.ReadASN1(&body, cbasn1.BIT_STRING) || !body.ReadUint8(&unused) ||
		unused > 7 || len(body) > maxFailBytes {
		return false
	}
	for i, octet := range body {
		if octet != 0 {
			*fail = FailInfo(8*i + bits.LeadingZeros8(octet))
			return true
		}
	}
	return true
}
