// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"fmt"
	"time"

	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/wire/sct"
)

// sct performs step 4: at least one CT log has promised to include the certificate.
//
// "the Verifier MUST extract the SignedCertificateTimestamp embedded in the leaf
// certificate, and verify it as in RFC 6962 §3.2, using the verification key
// from the Certificate Transparency Log." (client specification §4.3)
func (c *claim) sct() error {
	if c.leaf == nil || c.required.SkipSCTUnsafe {
		return nil
	}
	stamps, err := sct.Embedded(c.leaf)
	if err != nil {
		return refuse(SCTInvalid, "%w", err)
	}
	signed, err := sct.NewPrecert(c.leaf, c.issuer)
	if err != nil {
		return refuse(SCTInvalid, "%w", err)
	}
	var missing error
	for _, s := range stamps {
		at := time.UnixMilli(int64(s.Timestamp))
		for _, l := range c.ctLogs[string(s.LogID[:])] {
			if !l.Validity.Contains(at) {
				missing = differ(SCTMissing, window(l.BaseURL, l.Validity), stamp(at))
				continue
			}
			if err := verifySCT(s, signed, l); err != nil {
				return refuse(SCTInvalid, "%w", err)
			}
			c.scts = append(c.scts, promise{at, l})
		}
	}
	switch {
	case len(c.scts) > 0:
		return nil
	case missing != nil:
		return missing
	}
	return refuse(SCTMissing, "%d timestamps in the certificate, none of a CT log of the trusted root", len(stamps))
}

// A promise is a verified signed certificate timestamp.
type promise struct {
	at  time.Time
	log *trust.Log
}

func verifySCT(s sct.SCT, signed sct.Precert, l *trust.Log) error {
	if err := s.VerifyEntry(signed, l.Key); err != nil {
		return fmt.Errorf("%s: %w", l.BaseURL, err)
	}
	return nil
}
