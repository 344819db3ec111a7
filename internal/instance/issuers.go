// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/internal/claims"
	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/oidc"
)

// Issuers returns the issuers of a configuration as the certificate authority takes
// them.
func Issuers(c *config.Config) ([]oidc.Issuer, error) {
	var all []oidc.Issuer
	for _, i := range c.Issuers {
		issuer, err := issuerOf(c, i)
		if err != nil {
			return nil, fmt.Errorf("issuer %s: %w", i.URL, err)
		}
		all = append(all, issuer)
	}
	return all, nil
}

func issuerOf(c *config.Config, i config.Issuer) (issuer oidc.Issuer, err error) {
	issuer = oidc.Issuer{
		URL: i.URL, Audience: i.Audience, Type: i.Type, SubjectDomain: i.SubjectDomain, TrustDomain: i.TrustDomain,
		EmailVerifiedString: i.EmailVerifiedString, KeysURL: i.KeysURL,
		Rules: claims.Rules{
			Allow: rulesOf(i.Allow), Deny: rulesOf(i.Deny), Tenants: hasTenants(i.URL), AllowAllUnsafe: i.AllowAllUnsafe, EmailVerifiedString: i.EmailVerifiedString,
		},
	}
	if i.KeysFile != "" {
		issuer.KeysFile = c.Path(i.KeysFile)
	}
	if i.BearerTokenFile != "" {
		issuer.BearerFile = c.Path(i.BearerTokenFile)
	}
	if i.CACertificate != "" {
		if issuer.CACertificates, err = readCertificates(c.Path(i.CACertificate)); err != nil {
			return issuer, err
		}
	}
	switch service, known := claims.NewService(i.Type, i.URL); {
	case known:
		issuer.Type, issuer.Service = oidc.Service, service
	case i.Service != nil:
		issuer.Service, err = serviceOf(*i.Service)
	}
	return issuer, err
}

func readCertificates(path string) (*x509.CertPool, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(raw) {
		return nil, fmt.Errorf("%s has no certificate in PEM", path)
	}
	return pool, nil
}

func serviceOf(s config.Service) (service claims.Service, err error) {
	service = claims.Service{Origin: s.Origin, Defaults: s.Defaults, Build: map[identity.Field]claims.Template{}}
	if service.Subject, err = claims.ParseTemplate(s.Subject); err != nil {
		return service, fmt.Errorf("subject: %w", err)
	}
	for name, text := range s.Extensions {
		field, ok := claims.FieldOf(name)
		if !ok {
			return service, fmt.Errorf("no extension has the name %q", name)
		}
		if service.Build[field], err = claims.ParseTemplate(text); err != nil {
			return service, fmt.Errorf("%s: %w", name, err)
		}
	}
	return service, service.Check()
}

func rulesOf(rules []config.Rule) []claims.Rule {
	var all []claims.Rule
	for _, r := range rules {
		rule := claims.Rule{}
		for claim, patterns := range r {
			for _, p := range patterns {
				rule[claim] = append(rule[claim], identity.Glob(p))
			}
		}
		all = append(all, rule)
	}
	return all
}

// hasTenants reports whether anyone can get tokens of an issuer: accounts there are free, so
// being from this issuer vouches for nothing.
func hasTenants(issuer string) bool {
	u, err := url.Parse(issuer)
	if err != nil || strings.Contains(issuer, "*") {
		return true
	}
	return slices.ContainsFunc([]string{
		"token.actions.githubusercontent.com", "gitlab.com", "agent.buildkite.com", "oidc.circleci.com", "oidc.codefresh.io",
		"accounts.google.com", "login.microsoftonline.com", "sts.windows.net", "api.bitbucket.org", "vstoken.dev.azure.com",
		"container.googleapis.com", "oic.prod-aks.azure.com", "oidc.prod-aks.azure.com", "amazonaws.com", "tokens.sts.global.api.aws", "oauth2.sigstore.dev",
	}, func(host string) bool { return u.Host == host || strings.HasSuffix(u.Host, "."+host) })
}
