// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/timestamp"
)

// times performs step 2: it finds the times at which the signature existed.
//
// "First, establish a time for the signature. This timestamp is required to
// validate the certificate chain, so this step comes first." (client
// specification §4.2.) A log's time is only trusted in a signed entry timestamp of
// Rekor v1: "Rekor v2 does not act as a timestamping authority" (Rekor v2
// specification §4.2).
func (c *claim) times() error {
	var sources []party
	for i := range c.entries {
		e := &c.entries[i]
		if e.v2 || len(e.SignedEntryTimestamp) == 0 {
			continue
		}
		if err := e.verifyPromise(); err != nil {
			return err
		}
		c.result.Times = append(c.result.Times, Time{Time: e.IntegratedTime, Log: e.log.Log})
		sources = append(sources, logParty(e.log.Log))
	}
	var untrusted error
	for i, raw := range c.bundle.Timestamps {
		t, source, err := c.verifyTimestamp(raw)
		switch {
		case err != nil:
			return refuse(TimestampInvalid, "timestamp %d: %w", i, err)
		case t.Authority == nil:
			untrusted = fmt.Errorf("timestamp %d: %w", i, source.err)
		default:
			c.result.Times = append(c.result.Times, t)
			sources = append(sources, source.party)
		}
	}
	return c.enoughTimes(sources, untrusted)
}

// enoughTimes checks the number of times against the policy: "whether to require signed
// timestamp(s) …, and, if so, how many" (client specification §4). untrusted is the
// reason why a timestamp was ignored.
func (c *claim) enoughTimes(sources []party, untrusted error) error {
	found, want := distinct(sources), threshold(c.required.TimestampThreshold)
	switch {
	case found >= want, found == 0 && c.required.NoTimestampUnsafe && c.leaf == nil:
		return nil
	case found == 0 && c.foreign():
		return &Error{Code: OtherInstance}
	case found == 0 && untrusted != nil:
		return refuse(TimestampUntrusted, "%w", untrusted)
	case found == 0:
		return refuse(TimestampMissing, "no timestamp token and no signed entry timestamp")
	}
	return &Error{
		Code: ThresholdTimestamps, Err: untrusted,
		Expected: fmt.Sprintf("%d distinct sources of time", want), Found: fmt.Sprint(found),
	}
}

// verifyPromise verifies the signed entry timestamp, with a log that was valid
// when it was made.
func (e *entry) verifyPromise() error {
	var err error
	for _, l := range e.logs {
		if !l.Validity.Contains(e.IntegratedTime) {
			err = differ(LogUnknown, window(l.BaseURL, l.Validity), stamp(e.IntegratedTime))
			continue
		}
		cause := rekor.VerifySET(*e.Entry, l.Key)
		if cause == nil {
			e.log, e.promised = l, true
			return nil
		}
		err = refuse(LogPromiseInvalid, "%w", cause)
	}
	return err
}

// A source is the authority that made a timestamp, or the reason why it is not trusted.
type source struct {
	party party
	err   error
}

// verifyTimestamp verifies a token "with the raw bytes of the signature as the
// timestamped data. … If verification or timestamp parsing fails, the Verifier
// MUST abort." (client specification §4.2.1.) An error means that. A Time without an
// authority means that none of the trusted root's authorities made the token, which is then
// ignored.
func (c *claim) verifyTimestamp(raw []byte) (Time, source, error) {
	token, err := timestamp.ParseResponse(raw)
	if err != nil {
		return Time{}, source{}, err
	}
	if err := token.CheckImprint(c.bundle.Signature()); err != nil {
		return Time{}, source{}, err
	}
	leaf := c.stamper(token)
	if leaf == nil {
		return Time{}, source{err: errors.New("its signer's certificate is neither in the token nor in the trusted root")}, nil
	}
	if err := token.VerifySignature(leaf); err != nil {
		return Time{}, source{}, err
	}
	others := slices.DeleteFunc(slices.Clone(token.Certificates), leaf.Equal)
	for _, a := range c.tsas {
		if !a.knows(leaf, others) {
			continue
		}
		if a.own != nil && !a.own.Equal(leaf) {
			err = fmt.Errorf("%s is not the certificate that the trusted root has of %s", name(leaf), a.URI)
			continue
		}
		if !a.Validity.Contains(token.Time) {
			err = fmt.Errorf("%s, has stamped at %s", window(a.URI, a.Validity), stamp(token.Time))
			continue
		}
		if _, cause := a.path(leaf, others, token.Time); cause != nil {
			err = cause
			continue
		}
		return Time{Time: token.Time, Authority: a.Authority}, source{party: a.party(leaf)}, nil
	}
	if err == nil {
		err = fmt.Errorf("%s is certified by no timestamp authority of the trusted root", name(leaf))
	}
	return Time{}, source{err: err}, nil
}

// stamper finds the signer's certificate of the token in the trusted root or in the token.
func (c *claim) stamper(token *timestamp.Token) *x509.Certificate {
	for _, certs := range [][]*x509.Certificate{c.stampers, token.Certificates} {
		if i := slices.IndexFunc(certs, token.Names); i >= 0 {
			return certs[i]
		}
	}
	return nil
}

// foreign reports whether the bundle names issuers and logs, and none of them is in
// the trusted root.
func (c *claim) foreign() bool {
	if len(c.entries) > 0 {
		return false
	}
	if c.leaf == nil {
		return len(c.bundle.Entries) > 0
	}
	for _, a := range c.cas {
		if a.knows(c.leaf, c.extra) {
			return false
		}
	}
	return true
}

func window(who string, v trust.Validity) string {
	end := "now"
	if !v.End.IsZero() {
		end = stamp(v.End)
	}
	return fmt.Sprintf("%s, valid from %s until %s", who, stamp(v.Start), end)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func name(cert *x509.Certificate) string { return fmt.Sprintf("%q", cert.Subject.String()) }
