// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"
	"time"

	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/issuer"
	"github.com/hallmark-sign/hallmark/internal/oidc"
)

// mountLogin serves the built-in OpenID provider.
func mountLogin(p *parts) (mount, error) {
	if p.Config.Login.Disabled {
		return mount{}, nil
	}
	var clients []issuer.Client
	for _, c := range p.Config.Login.Clients {
		clients = append(clients, issuer.Client{ID: c.ID, Algorithm: c.IDTokenSignedResponseAlg})
	}
	login, err := issuer.New(issuer.Options{
		URL: p.Config.URL, RSA: p.Keys.IssuerRSA, ECDSA: p.Keys.Issuer, Clients: clients, Dir: p.Config.Path("issuer"), Audience: config.DefaultAudience,
		Limits: loginLimits(p.limits()), Clock: time.Now, Logger: p.logger, InsecureHTTPUnsafe: p.Config.PlainHTTPUnsafe,
	})
	if err != nil {
		return mount{}, fmt.Errorf("making login: %w", err)
	}
	p.login = []oidc.Issuer{{URL: p.Config.URL, Audience: config.DefaultAudience, Type: "email", Keys: login.PublicKeys()}}
	return mount{
		Name: "login", Patterns: []string{"/.well-known/", "/login/"}, Handler: login.Handler(),
		Health: func() string {
			if login.Err() != nil {
				return "the accounts can't be read; see the server's log"
			}
			return ""
		},
		Metrics: []gauge{{"hallmark_accounts_failed", func() float64 { return oneIf(login.Err() != nil) }}},
		Links:   []link{{"/login/password-change", "change your password"}},
		Run:     login.Watch,
	}, nil
}

func loginLimits(l config.Limits) issuer.Limits {
	return issuer.Limits{
		Account: rate(l.AccountLogins), AllAccount: rate(l.AccountLoginsOverall),
		Address: rate(l.FailedLogins), Devices: rate(l.DeviceCodes),
	}
}
