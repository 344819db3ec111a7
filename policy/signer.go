// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// The issuers of the two public services.
const (
	gitHubServer = "https://github.com"
	gitHubIssuer = "https://token.actions.githubusercontent.com"
	gitLabServer = "https://gitlab.com"
)

// compile returns a matcher, or a key, of the signer's only kind.
func (s signer) compile() (Signer, error) {
	var made []Signer
	var failed error
	add := func(kind string, present bool, compile func() (Signer, error)) {
		if !present {
			return
		}
		c, err := compile()
		c.Kind = kind
		made = append(made, c)
		failed = errors.Join(failed, err)
	}
	add("email", !s.Email.IsZero(), func() (Signer, error) { return s.named(s.Email, identity.Email) })
	add("uri", !s.URI.IsZero(), func() (Signer, error) { return s.named(s.URI, identity.URI) })
	add("spiffe", !s.SPIFFE.IsZero(), s.spiffe)
	add("key", s.Key != "", s.key)
	add("github", s.GitHub != nil, func() (Signer, error) { return s.GitHub.compile() })
	add("gitlab", s.GitLab != nil, func() (Signer, error) { return s.GitLab.compile() })
	add("ci", s.CI != nil, func() (Signer, error) { return s.CI.compile() })
	if len(made) != 1 {
		return Signer{}, fmt.Errorf("want one of email, uri, spiffe, key, github, gitlab and ci, not %d of them", len(made))
	}
	if failed != nil {
		return Signer{}, failed
	}
	return s.complete(made[0])
}

// complete adds the fields that may accompany the kind.
func (s signer) complete(out Signer) (Signer, error) {
	ofSubject := out.Kind == "email" || out.Kind == "uri" || out.Kind == "spiffe"
	if !s.Issuer.IsZero() && !ofSubject {
		return Signer{}, fmt.Errorf("issuer does not stand beside %s", out.Kind)
	}
	if len(s.Build) > 0 && out.Key != nil {
		return Signer{}, errors.New("build: a key has no certificate")
	}
	for name, pattern := range s.Build {
		field := fieldNamed(name)
		if field == 0 {
			return Signer{}, fmt.Errorf("build: %q is no field of a certificate; they are %s", name, strings.Join(fieldNames(), ", "))
		}
		if _, taken := out.Matcher.Build[field]; taken {
			return Signer{}, fmt.Errorf("build: %s is said twice", name)
		}
		out.Matcher = with(out.Matcher, field, pattern)
	}
	return out, nil
}

func with(m identity.Matcher, field identity.Field, t text) identity.Matcher {
	if t.IsZero() {
		return m
	}
	if m.Build == nil {
		m.Build = map[identity.Field]identity.Pattern{}
	}
	m.Build[field] = t.Pattern
	return m
}

func (s signer) named(subject text, of identity.SubjectType) (Signer, error) {
	if s.Issuer.IsZero() {
		return Signer{}, errors.New("issuer is missing: a name is only meaningful together with the issuer that vouched for it")
	}
	return Signer{Matcher: identity.Matcher{Subject: subject.Pattern, Issuer: s.Issuer.Pattern, Type: of}}, nil
}

// spiffe returns a signer with a SPIFFE ID. Its trust domain must have no stars,
// because the domain's authority assigns all names below it.
func (s signer) spiffe() (Signer, error) {
	rest, ok := strings.CutPrefix(s.SPIFFE.String(), "spiffe://")
	domain, path, _ := strings.Cut(rest, "/")
	if !ok || domain == "" || strings.Contains(domain, "*") || path == "" {
		return Signer{}, errors.New("spiffe: want spiffe://DOMAIN/PATH, stars in the path alone")
	}
	return s.named(s.SPIFFE, identity.URI)
}

func (s signer) key() (Signer, error) {
	block, rest := pem.Decode([]byte(s.Key))
	if block == nil || block.Type != "PUBLIC KEY" || strings.TrimSpace(string(rest)) != "" {
		return Signer{}, errors.New("key: want one PEM block PUBLIC KEY")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return Signer{}, fmt.Errorf("key: %w", err)
	}
	if _, err := sigalg.ForKey(key); err != nil {
		return Signer{}, fmt.Errorf("key: %w", err)
	}
	return Signer{Key: key}, nil
}

// compile returns a matcher. The subject is the URI of the workflow that signs, which is the
// workflow that was started unless it calls another (Fulcio, oidc.md, "GitHub").
func (g gitHub) compile() (Signer, error) {
	server, issuer := g.Server, g.Issuer.Pattern
	switch {
	case server == "" && g.Issuer.IsZero():
		server, issuer = gitHubServer, identity.Exact(gitHubIssuer)
	case server == "" || g.Issuer.IsZero():
		return Signer{}, errors.New("github: server and issuer go together")
	}
	if err := checkServer(server); err != nil {
		return Signer{}, fmt.Errorf("github: %w", err)
	}
	if g.Repository.IsZero() {
		return Signer{}, errors.New("github: repository is missing")
	}
	repository, err := join(server+"/", g.Repository)
	if err != nil {
		return Signer{}, fmt.Errorf("github: %w", err)
	}
	started, err := join(server+"/", g.Repository, "/", anyOr(g.Workflow), "@", anyOr(g.Ref))
	if err != nil {
		return Signer{}, fmt.Errorf("github: %w", err)
	}
	signs := started
	if !g.Signer.IsZero() {
		if signs, err = join(server+"/", g.Signer); err != nil {
			return Signer{}, fmt.Errorf("github: %w", err)
		}
	}
	m := identity.Matcher{Issuer: issuer, Subject: signs.Pattern, Type: identity.URI}
	m = with(m, identity.SourceRepositoryURI, repository)
	m = with(m, identity.ConfigURI, started)
	m = with(m, identity.SourceRepositoryID, g.RepositoryID)
	m = with(m, identity.SourceRepositoryOwnerID, g.OwnerID)
	m = with(m, identity.SourceRepositoryRef, g.Ref)
	m = with(m, identity.Trigger, g.Trigger)
	m = with(m, identity.DeploymentEnvironment, g.Environment)
	m = with(m, identity.RunnerEnvironment, g.Runner)
	return Signer{Matcher: m}, nil
}

// compile returns a matcher. The subject is the URI of the pipeline's file (Fulcio, oidc.md,
// "GitLab"):
//
//	https://gitlab.com/group/name//.gitlab-ci.yml@refs/heads/main
func (g gitLab) compile() (Signer, error) {
	server := g.Server
	if server == "" {
		server = gitLabServer
	}
	if err := checkServer(server); err != nil {
		return Signer{}, fmt.Errorf("gitlab: %w", err)
	}
	if g.Project.IsZero() {
		return Signer{}, errors.New("gitlab: project is missing")
	}
	project, err := join(server+"/", g.Project)
	if err != nil {
		return Signer{}, fmt.Errorf("gitlab: %w", err)
	}
	config, err := join(server+"/", g.Project, "//", anyOr(g.Config), "@", anyOr(g.Ref))
	if err != nil {
		return Signer{}, fmt.Errorf("gitlab: %w", err)
	}
	m := identity.Matcher{Issuer: identity.Exact(server), Subject: config.Pattern, Type: identity.URI}
	m = with(m, identity.SourceRepositoryURI, project)
	m = with(m, identity.SourceRepositoryID, g.ProjectID)
	m = with(m, identity.SourceRepositoryOwnerID, g.NamespaceID)
	m = with(m, identity.SourceRepositoryRef, g.Ref)
	m = with(m, identity.DeploymentEnvironment, g.Environment)
	return Signer{Matcher: m}, nil
}

func (c ci) compile() (Signer, error) {
	if c.Issuer.IsZero() || c.Subject.IsZero() {
		return Signer{}, errors.New("ci: issuer and subject are needed")
	}
	m := identity.Matcher{Issuer: c.Issuer.Pattern, Subject: c.Subject.Pattern, Type: identity.URI}
	m = with(m, identity.SourceRepositoryURI, c.Repository)
	m = with(m, identity.SourceRepositoryID, c.RepositoryID)
	m = with(m, identity.SourceRepositoryRef, c.Ref)
	m = with(m, identity.ConfigURI, c.Workflow)
	return Signer{Matcher: m}, nil
}

func checkServer(server string) error {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "https" || u.Host == "" || strings.HasSuffix(server, "/") || strings.Contains(server, "*") {
		return fmt.Errorf("server %q: want https://HOST without a slash at its end", server)
	}
	return nil
}

// anyOr returns the text, or a pattern that matches anything if it is empty.
func anyOr(t text) text {
	if t.IsZero() {
		return text{identity.Glob("**")}
	}
	return t
}

// join concatenates texts and fixed strings. The result is a glob if one of the texts is; an
// exact text with a star can't be part of a glob.
func join(parts ...any) (text, error) {
	var joined strings.Builder
	allExact, star := true, false
	for _, part := range parts {
		switch part := part.(type) {
		case string:
			joined.WriteString(part)
		case text:
			joined.WriteString(part.String())
			allExact = allExact && part.IsExact()
			star = star || part.IsExact() && strings.Contains(part.String(), "*")
		}
	}
	if allExact {
		return text{identity.Exact(joined.String())}, nil
	}
	if star {
		return text{}, errors.New("a star in a text that is exact; write {glob: …}")
	}
	return text{identity.Glob(joined.String())}, nil
}

// fieldNamed finds a field by its name in policy files: the name in the certificate
// specification in camel case, such as sourceRepositoryURI.
func fieldNamed(name string) identity.Field {
	for _, f := range identity.Fields() {
		if camel(f.String()) == name {
			return f
		}
	}
	return 0
}

func fieldNames() []string {
	var names []string
	for _, f := range identity.Fields() {
		names = append(names, camel(f.String()))
	}
	return names
}

func camel(words string) string {
	all := strings.Fields(words)
	for i, word := range all {
		first := strings.ToUpper(word[:1])
		if i == 0 {
			first = strings.ToLower(first)
		}
		all[i] = first + word[1:]
	}
	return strings.Join(all, "")
}
