package main

import (
	"fmt"
	"net/http"
	"time"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/sign"
	"github.com/hallmark-sign/hallmark/trust"
)

// services are those that a signing config selects.
type services struct {
	authority    string // base URL
	issuer       string // OpenID issuer; may be empty
	timestampers []sign.Timestamper
	logs         []sign.Log
	http         *http.Client
}

// Major API versions that this client speaks.
const (
	fulcioVersion = 1
	rekorVersion  = 2
	tsaVersion    = 1
	oidcVersion   = 1
)

func selectServices(c *trust.SigningConfig, now time.Time, h *http.Client) (*services, error) {
	s := &services{http: h}
	authorities := trust.Usable(c.CertificateAuthorities, now, fulcioVersion)
	if len(authorities) > 0 {
		s.authority = authorities[0].URL
	}
	if issuers := trust.Usable(c.Issuers, now, oidcVersion); len(issuers) > 0 {
		s.issuer = issuers[0].URL
	}
	logs, err := c.LogSelector.Select(trust.Usable(c.Logs, now, rekorVersion))
	if err != nil {
		return nil, &problem{Exit: exitUndecided, Code: "no-service", Err: fmt.Errorf("selecting transparency logs: %w", err)}
	}
	for _, l := range logs {
		s.logs = append(s.logs, client.Rekor{URL: l.URL, HTTP: s.http})
	}
	tsas, err := c.TimestampSelector.Select(trust.Usable(c.TimestampAuthorities, now, tsaVersion))
	if err != nil {
		return nil, &problem{Exit: exitUndecided, Code: "no-service", Err: fmt.Errorf("selecting timestamp authorities: %w", err)}
	}
	for _, t := range tsas {
		s.timestampers = append(s.timestampers, client.TSA{URL: t.URL, HTTP: s.http})
	}
	return s, nil
}
