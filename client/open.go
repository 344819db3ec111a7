// SPDX-License-Identifier: Apache-2.0

package client

import (
	"crypto"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/hallmark-sign/hallmark/sign"
	"github.com/hallmark-sign/hallmark/trust"
)

// ErrNoService reports that a signing config names too few services that are valid now and
// speak an API version of this package.
var ErrNoService = errors.New("too few services to sign with")

// A Services is the set of services that a signing config selects.
type Services struct {
	Fulcio Fulcio  // without a token, which the caller sets; its URL is empty if there is no certificate authority
	Rekor  []Rekor // to log each signature in all of them
	TSA    []TSA   // to timestamp each signature with all of them
	OIDC   string  // OpenID issuer to log in at; empty if there is none
}

// Major API versions that this package supports.
const (
	fulcioVersion = 1
	rekorVersion  = 2
	tsaVersion    = 1
	oidcVersion   = 1
)

// Open selects services that are valid at now, to be reached through h. It connects to none
// of them. Errors: [ErrNoService].
func Open(c *trust.SigningConfig, now time.Time, h *http.Client) (*Services, error) {
	s := &Services{Fulcio: Fulcio{HTTP: h}}
	if authorities := trust.Usable(c.CertificateAuthorities, now, fulcioVersion); len(authorities) > 0 {
		s.Fulcio.URL = authorities[0].URL
	}
	if issuers := trust.Usable(c.Issuers, now, oidcVersion); len(issuers) > 0 {
		s.OIDC = issuers[0].URL
	}
	logs, err := c.LogSelector.Select(trust.Usable(c.Logs, now, rekorVersion))
	if err != nil {
		return nil, fmt.Errorf("%w: selecting transparency logs: %w", ErrNoService, err)
	}
	for _, l := range logs {
		s.Rekor = append(s.Rekor, Rekor{URL: l.URL, HTTP: h})
	}
	authorities, err := c.TimestampSelector.Select(trust.Usable(c.TimestampAuthorities, now, tsaVersion))
	if err != nil {
		return nil, fmt.Errorf("%w: selecting timestamp authorities: %w", ErrNoService, err)
	}
	for _, t := range authorities {
		s.TSA = append(s.TSA, TSA{URL: t.URL, HTTP: h})
	}
	return s, nil
}

// Signer returns a signer with key that uses the timestamp authorities and the logs. If Fulcio
// has a token, each signature gets a certificate. Otherwise it is made with the key alone.
func (s *Services) Signer(key crypto.Signer) sign.Signer {
	signer := sign.Signer{Key: key}
	if s.Fulcio.Token != "" {
		signer.Certifier = s.Fulcio
	}
	for _, t := range s.TSA {
		signer.Timestampers = append(signer.Timestampers, t)
	}
	for _, l := range s.Rekor {
		signer.Logs = append(signer.Logs, l)
	}
	return signer
}
