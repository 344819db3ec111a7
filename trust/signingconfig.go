// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/hallmark-sign/hallmark/wire/protojson"
)

// mediaTypeSigningConfig is the signing config's media type.
const mediaTypeSigningConfig = "application/vnd.dev.sigstore.signingconfig.v0.2+json"

// A SigningConfig lists the services with which a client signs, by role.
type SigningConfig struct {
	CertificateAuthorities []Service // base URLs
	Issuers                []Service // OpenID issuer URLs
	Logs                   []Service // base URLs
	LogSelector            Selector
	TimestampAuthorities   []Service // full URLs of the timestamp endpoint
	TimestampSelector      Selector
}

// A Service is a server in a role.
type Service struct {
	URL        string
	APIVersion uint32 // major; a log's 2 is Rekor v2
	Validity   Validity
	Operator   string
}

// A Selector specifies how many services of a list a signature needs: one for ANY, each for
// ALL, Count for EXACT (sigstore_trustroot.proto, ServiceSelector).
type Selector struct {
	Mode  string // "ANY", "ALL" or "EXACT"
	Count uint32 // for EXACT
}

// ParseSigningConfig reads a signing config. Errors: ErrMalformed.
func ParseSigningConfig(raw []byte) (*SigningConfig, error) {
	config, err := parseSigningConfig(raw)
	if err != nil {
		return nil, fmt.Errorf("parsing signing config: %w: %w", ErrMalformed, err)
	}
	return config, nil
}

func parseSigningConfig(raw []byte) (*SigningConfig, error) {
	if len(raw) > MaxSize {
		return nil, fmt.Errorf("%d bytes, want at most %d", len(raw), MaxSize)
	}
	var m signingConfigMessage
	if err := protojson.Unmarshal(raw, &m); err != nil {
		return nil, err
	}
	if m.mediaType != mediaTypeSigningConfig {
		return nil, fmt.Errorf("media type %.100q", m.mediaType)
	}
	config := new(SigningConfig)
	for _, role := range []struct {
		name string
		from []serviceMessage
		to   *[]Service
	}{
		{"certificate authority", m.cas, &config.CertificateAuthorities},
		{"OpenID issuer", m.oidcs, &config.Issuers},
		{"log", m.logs, &config.Logs},
		{"timestamp authority", m.timestamps, &config.TimestampAuthorities},
	} {
		services, err := each(role.name, role.from, (*serviceMessage).read)
		if err != nil {
			return nil, err
		}
		*role.to = services
	}
	var err error
	if config.LogSelector, err = m.logSelector.read(len(config.Logs)); err != nil {
		return nil, fmt.Errorf("log selector: %w", err)
	}
	if config.TimestampSelector, err = m.timestampSelector.read(len(config.TimestampAuthorities)); err != nil {
		return nil, fmt.Errorf("timestamp selector: %w", err)
	}
	return config, nil
}

func (m *serviceMessage) read() (Service, error) {
	u, err := url.Parse(string(m.url))
	if err != nil {
		return Service{}, err
	}
	if (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return Service{}, fmt.Errorf("URL %.200q is not of the form https://host/path", m.url)
	}
	validity, err := m.validFor.read()
	if err != nil {
		return Service{}, err
	}
	return Service{URL: string(m.url), APIVersion: uint32(m.version), Validity: validity, Operator: string(m.operator)}, nil
}

// read requires a selector where there are services: "A client SHOULD throw an
// error if the value is SERVICE_SELECTOR_UNDEFINED" (ServiceSelector).
func (m *serviceConfiguration) read(services int) (Selector, error) {
	if m == nil {
		m = new(serviceConfiguration)
	}
	s := Selector{Mode: m.mode().String(), Count: uint32(m.count)}
	switch {
	case s.Mode == "ANY", s.Mode == "ALL":
		return s, nil
	case s.Mode == "EXACT":
		if s.Count < 1 || int64(s.Count) > int64(services) {
			return Selector{}, fmt.Errorf("EXACT %d of %d services", s.Count, services)
		}
		return s, nil
	case m.selector == 0 && services == 0:
		return Selector{}, nil
	}
	return Selector{}, errors.New("undefined")
}

// Usable returns the services that can be used at a time with an API version that
// the caller supports, in the order of the config.
func Usable(services []Service, at time.Time, versions ...uint32) []Service {
	var out []Service
	for _, s := range services {
		for _, v := range versions {
			if s.APIVersion == v && s.Validity.Contains(at) {
				out = append(out, s)
			}
		}
	}
	return out
}

// Select returns the services of a list that a signature needs. It takes at most
// one of each operator, because two services of one operator are worth no more than
// one. It returns an error if there are too few.
func (s Selector) Select(usable []Service) ([]Service, error) {
	var distinct []Service
	for _, service := range usable {
		known := slices.ContainsFunc(distinct, func(d Service) bool { return d.Operator == service.Operator })
		if service.Operator == "" || !known {
			distinct = append(distinct, service)
		}
	}
	want := 1 // ANY; ALL takes every usable service
	switch s.Mode {
	case "":
		return nil, nil
	case "EXACT":
		want = int(s.Count)
	case "ALL":
		want = max(1, len(distinct))
	}
	if len(distinct) < want {
		return nil, fmt.Errorf("%d services can be used now, want %d", len(distinct), want)
	}
	return distinct[:want], nil
}

// Marshal writes the signing config as JSON; ParseSigningConfig reads it back.
func (c *SigningConfig) Marshal() ([]byte, error) {
	return protojson.MarshalIndent(&signingConfigMessage{
		mediaType:         mediaTypeSigningConfig,
		cas:               serviceMessages(c.CertificateAuthorities),
		oidcs:             serviceMessages(c.Issuers),
		logs:              serviceMessages(c.Logs),
		logSelector:       c.LogSelector.message(),
		timestamps:        serviceMessages(c.TimestampAuthorities),
		timestampSelector: c.TimestampSelector.message(),
	})
}

func serviceMessages(services []Service) []serviceMessage {
	var out []serviceMessage
	for _, s := range services {
		out = append(out, serviceMessage{
			url: protojson.String(s.URL), version: protojson.Uint32(s.APIVersion),
			validFor: s.Validity.message(), operator: protojson.String(s.Operator),
		})
	}
	return out
}

func (s Selector) message() *serviceConfiguration {
	if s.Mode == "" {
		return nil
	}
	return &serviceConfiguration{number(selectors[:], s.Mode), protojson.Uint32(s.Count)}
}
