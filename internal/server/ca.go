// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/hallmark-sign/hallmark/internal/ca"
	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/instance"
	"github.com/hallmark-sign/hallmark/internal/oidc"
)

// mountCA serves the certificate authority, which takes tokens of the built-in login by
// its key, and those of other issuers by theirs.
func mountCA(p *parts) (mount, error) {
	issuers, err := instance.Issuers(p.Config)
	if err != nil {
		return mount{}, fmt.Errorf("reading issuers: %w", err)
	}
	tokens, err := oidc.New(oidc.Options{Issuers: slices.Concat(p.login, issuers), Client: http.DefaultClient, Clock: time.Now, Logger: p.logger})
	if err != nil {
		return mount{}, fmt.Errorf("reading issuers: %w", err)
	}
	p.reloads = append(p.reloads, func(c *config.Config) error {
		issuers, err := instance.Issuers(c)
		if err != nil {
			return err
		}
		return tokens.Replace(slices.Concat(p.login, issuers))
	})
	authority, err := ca.New(ca.Options{
		Key: p.Keys.CA, Chain: p.CAChain, Tokens: tokens, CTLog: p.ctLog,
		Configuration: tokens.Configuration, Clock: time.Now, Logger: p.logger,
		Limit: limiter("certificates of this identity", p.limits().Certificates),
	})
	if err != nil {
		return mount{}, fmt.Errorf("making certificate authority: %w", err)
	}
	return mount{
		Name:     "ca",
		Patterns: []string{"/api/v2/signingCert", "/api/v2/trustBundle", "/api/v2/configuration", "/api/v1/signingCert", "/api/v1/rootCert", "/api/hallmark/v1/explain"},
		Handler:  authority.Handler(),
	}, nil
}
