// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"crypto/x509"
	"strings"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/wire/rekor"
)

// An entry is a log entry of a log in the trusted root.
type entry struct {
	*rekor.Entry
	body     rekor.Body
	v2       bool   // of Rekor v2: has a proof and a checkpoint, but no signed entry timestamp
	logs     []*log // with this ID; more than one only with several windows
	log      *log   // whose key has verified
	promised bool   // by a signed entry timestamp that has verified
}

// shape performs step 1: the certificate and the entries, which bundle.Parse does not
// decode, are well-formed.
//
// "A sequence of one or more X.509 certificates, of which the first member MUST be
// a leaf certificate conveying the signing key." (sigstore_bundle.proto)
func (c *claim) shape() error {
	if err := checkContent(c.bundle); err != nil {
		return err
	}
	for i, der := range c.bundle.Certificates {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return refuse(Malformed, "certificate %d: %w", i, err)
		}
		if i == 0 {
			c.leaf = cert
		} else {
			c.extra = append(c.extra, cert)
		}
	}
	for i := range c.bundle.Entries {
		if err := c.openEntry(&c.bundle.Entries[i]); err != nil {
			return refuse(Malformed, "log entry %d: %w", i, err)
		}
	}
	return nil
}

// checkContent checks the guarantees of bundle.Parse for bundles built by programs.
func checkContent(b *bundle.Bundle) error {
	switch {
	case b == nil || (b.Message == nil) == (b.Envelope == nil):
		return refuse(Malformed, "want a message signature or an envelope")
	case b.Envelope != nil && len(b.Envelope.Signatures) != 1:
		return refuse(Malformed, "envelope with %d signatures, want 1", len(b.Envelope.Signatures))
	case len(b.Signature()) == 0:
		return refuse(Malformed, "empty signature")
	}
	return checkNumbers(b)
}

// checkNumbers checks the limits before the parts are decoded.
func checkNumbers(b *bundle.Bundle) error {
	for _, part := range []struct {
		name    string
		n, most int
	}{
		{"certificates", len(b.Certificates), bundle.MaxCertificates}, {"log entries", len(b.Entries), bundle.MaxEntries},
		{"timestamps", len(b.Timestamps), bundle.MaxTimestamps},
	} {
		if part.n > part.most {
			return refuse(Malformed, "%d %s, want at most %d", part.n, part.name, part.most)
		}
	}
	size := 0
	for _, der := range b.Certificates {
		size += len(der)
	}
	if size > bundle.MaxChain {
		return refuse(Malformed, "certificates of %d bytes, want at most %d", size, bundle.MaxChain)
	}
	return nil
}

// openEntry parses an entry's body. It ignores an entry of an unknown log, which can't prove
// anything.
func (c *claim) openEntry(e *rekor.Entry) error {
	logs := c.logs[string(e.LogID)]
	if len(logs) == 0 {
		return nil
	}
	body, err := rekor.ParseBody(e.CanonicalizedBody)
	if err != nil {
		return err
	}
	c.entries = append(c.entries, entry{Entry: e, body: body, logs: logs, v2: isV2(body)})
	return nil
}

// isV2 reports whether an entry is of Rekor v2. It uses the body, which the log has signed,
// and not the bundle's unauthenticated fields.
func isV2(body rekor.Body) bool {
	return body.Kind != "intoto" && strings.HasPrefix(body.Version, "0.0.2")
}
