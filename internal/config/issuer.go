// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"go.yaml.in/yaml/v3"
)

// An Issuer is an OpenID issuer whose tokens the certificate authority accepts:
//
//	url: https://token.actions.githubusercontent.com
//	type: github
//	allow:
//	  - repository_owner: octo-org
//	    ref: refs/heads/*
//	deny:
//	  - event_name: [pull_request, pull_request_target]
type Issuer struct {
	// URL is the issuer, exactly as its tokens have it in iss. A star stands for one
	// label of the host or one segment of the path, for all clusters of a cloud.
	URL string `yaml:"url"`

	// Audience is what its tokens must have in aud. The default is "sigstore".
	Audience string `yaml:"audience,omitempty"`

	// Type is how its tokens name people and machines: email, uri, username, spiffe,
	// kubernetes, service, or a CI service by its name, such as github.
	Type string `yaml:"type"`

	// SubjectDomain is the scheme and host of the subjects of a uri issuer, for
	// example https://example.com, or the domain of the names of a username issuer.
	SubjectDomain string `yaml:"subject_domain,omitempty"`

	// TrustDomain is that of the subjects of a spiffe issuer.
	TrustDomain string `yaml:"trust_domain,omitempty"`

	// EmailVerifiedString accepts the string "true" in the claim email_verified of an
	// email issuer for the value true. Set it only for an issuer that writes in this
	// form what it has verified itself, as Entra ID and Cognito do.
	EmailVerifiedString bool `yaml:"email_verified_string,omitempty"`

	// KeysFile is a JSON Web Key Set, and KeysURL the URL of one, with the keys of the
	// issuer. Without them, the keys are found by discovery.
	KeysFile string `yaml:"keys_file,omitempty"`
	KeysURL  string `yaml:"keys_url,omitempty"`

	// CACertificate is a PEM file with the certificate authorities of the issuer's TLS.
	// The default are those of the system.
	CACertificate string `yaml:"ca_certificate,omitempty"`

	// BearerTokenFile is a file with a token that requests for the keys carry, as
	// the API server of a Kubernetes cluster demands.
	BearerTokenFile string `yaml:"bearer_token_file,omitempty"`

	// Service describes the tokens of a service issuer.
	Service *Service `yaml:"service,omitempty"`

	// Allow has rules, of which a token must meet one. An issuer that gives tokens to
	// strangers too needs a rule. Deny has rules, of which a token must meet none.
	Allow []Rule `yaml:"allow,omitempty"`
	Deny  []Rule `yaml:"deny,omitempty"`

	// AllowAllUnsafe allows all tokens of an issuer that gives tokens to strangers too.
	AllowAllUnsafe bool `yaml:"allow_all_unsafe,omitempty"`
}

// A Service describes the tokens of a CI service. Templates are names of claims, or
// texts such as https://ci.example.com/{{.project}}.
type Service struct {
	// Origin is the scheme and host of the subjects, for example https://ci.example.com.
	Origin string `yaml:"origin"`

	// Subject is the template of the subject alternative name, a URI.
	Subject string `yaml:"subject"`

	// Extensions has templates by the names of Fulcio's configuration, such as
	// source-repository-uri.
	Extensions map[string]string `yaml:"extensions,omitempty"`

	// Defaults has values for claims that a token may lack.
	Defaults map[string]string `yaml:"defaults,omitempty"`
}

// A Rule has patterns by the names of claims. A token meets it if each of these claims
// matches one of its patterns. A star stands for any characters but / and @, two stars
// for any characters.
type Rule map[string]Patterns

// Patterns is one pattern or a list of them.
type Patterns []string

// UnmarshalYAML reads a text or a list of texts.
func (p *Patterns) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*p = Patterns{node.Value}
		return nil
	}
	return node.Decode((*[]string)(p))
}

// MarshalYAML writes one pattern as a text.
func (p Patterns) MarshalYAML() (any, error) {
	if len(p) == 1 {
		return p[0], nil
	}
	return []string(p), nil
}

// DefaultAudience is what Sigstore clients ask tokens for.
const DefaultAudience = "sigstore"

func (i *Issuer) check() error {
	u, err := url.Parse(strings.ReplaceAll(i.URL, "*", "x"))
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("url %q is not the URL of an issuer", i.URL)
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		return fmt.Errorf("url %q: an issuer beyond this machine needs https", i.URL)
	}
	if i.Audience == "" {
		i.Audience = DefaultAudience
	}
	if i.Type == "" {
		return errors.New("no type")
	}
	if (i.Service != nil) != (i.Type == "service") {
		return errors.New("type service needs a description in service, and others have none")
	}
	for _, rule := range append(i.Allow[:len(i.Allow):len(i.Allow)], i.Deny...) {
		if err := rule.check(); err != nil {
			return err
		}
	}
	return nil
}

// check refuses rules that can't mean what was written: an empty pattern matches
// nothing, and a rule without claims would be met by every token.
func (r Rule) check() error {
	if len(r) == 0 {
		return errors.New("a rule without claims")
	}
	for claim, patterns := range r {
		if len(patterns) == 0 {
			return fmt.Errorf("the rule for claim %q has no pattern", claim)
		}
		for _, pattern := range patterns {
			if pattern == "" {
				return fmt.Errorf("the rule for claim %q has an empty pattern", claim)
			}
		}
	}
	return nil
}
