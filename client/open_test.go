// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/trust"
)

// TestOpen checks that Open selects services with supported versions, and fails if logs are
// required and none is usable.
func TestOpen(t *testing.T) {
	t.Parallel()
	now := time.Now()
	service := func(url string, version uint32) trust.Service {
		return trust.Service{URL: url, APIVersion: version, Operator: url, Validity: trust.Validity{Start: now.Add(-time.Hour)}}
	}
	c := &trust.SigningConfig{
		CertificateAuthorities: []trust.Service{service("https://ca", 1)},
		Logs:                   []trust.Service{service("https://v1", 1), service("https://v2", 2)},
		LogSelector:            trust.Selector{Mode: "ANY"},
	}
	s, err := client.Open(c, now, http.DefaultClient)
	if err != nil || s.Fulcio.URL != "https://ca" || len(s.Rekor) != 1 || s.Rekor[0].URL != "https://v2" || len(s.TSA) != 0 || s.OIDC != "" {
		t.Errorf("%+v, %v", s, err)
	}
	if signer := s.Signer(nil); len(signer.Logs) != 1 || len(signer.Timestampers) != 0 || signer.Certifier != nil {
		t.Errorf("%+v", signer)
	}
	s.Fulcio.Token = "token"
	if signer := s.Signer(nil); signer.Certifier != s.Fulcio {
		t.Errorf("%+v", signer)
	}
	c.Logs = c.Logs[:1]
	if _, err := client.Open(c, now, http.DefaultClient); !errors.Is(err, client.ErrNoService) {
		t.Error(err)
	}
}
