// SPDX-License-Identifier: Apache-2.0

package claims

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/hallmark-sign/hallmark/identity"
)

// A Service describes how a CI service writes its tokens: which claims become the
// URI of the certificate and its extensions.
type Service struct {
	// Defaults are values for claims that a token may lack. A claim overrides its
	// default.
	Defaults map[string]string

	// Subject makes the subject alternative name, a URI.
	Subject Template

	// Build makes the extensions.
	Build map[identity.Field]Template

	// Origin is the scheme and host that Subject must make, for example
	// https://github.com.
	Origin string
}

// Check reports what is wrong with a description.
func (s Service) Check() error {
	if s.Subject.text == "" {
		return errors.New("no template for the subject alternative name")
	}
	u, err := url.Parse(s.Origin)
	if err != nil || u.Host == "" || s.Origin != u.Scheme+"://"+u.Host || strings.Contains(s.Origin, "*") {
		return fmt.Errorf("origin %q is not SCHEME://HOST", s.Origin)
	}
	return nil
}

// Identity returns the subject and the extensions for a token. An extension whose
// value is empty is left out.
func (s Service) Identity(c Set) (identity.Subject, identity.Build, error) {
	claim := func(name string) (string, bool) {
		if value, ok := c.Text(name); ok {
			return value, true
		}
		value, ok := s.Defaults[name]
		return value, ok
	}
	subject, err := s.subject(claim)
	if err != nil {
		return identity.Subject{}, identity.Build{}, err
	}
	var build identity.Build
	for _, field := range slices.Sorted(maps.Keys(s.Build)) {
		value, err := s.Build[field].render(claim)
		if err != nil {
			return identity.Subject{}, identity.Build{}, fmt.Errorf("%s: %w", field, err)
		}
		build.Set(field, value)
	}
	return identity.Subject{Type: identity.URI, Value: subject}, build, nil
}

// subject makes the URI. Characters that a URI can't have are percent-encoded, such as
// the letters of a branch's name beyond ASCII.
func (s Service) subject(claim lookup) (string, error) {
	text, err := s.Subject.render(claim)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(text)
	if err != nil || !hasOrigin(text, s.Origin) {
		return "", refusef("the claims make a URI that is not below %s", s.Origin)
	}
	return u.String(), nil
}

// From returns the names of the claims that a field of the certificate is made of.
// The zero field is the subject.
func (s Service) From(field identity.Field) []string {
	if field == 0 {
		return s.Subject.Claims()
	}
	if t, ok := s.Build[field]; ok {
		return t.Claims()
	}
	return nil
}
