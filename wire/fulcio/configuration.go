// SPDX-License-Identifier: Apache-2.0

package fulcio

import (
	"fmt"

	"github.com/go-json-experiment/json"
)

// A Configuration lists the issuers whose tokens the authority accepts. It is
// the response to GET /api/v2/configuration.
//
//	{"issuers":[{"issuerUrl":"https://login.example.com","audience":"sigstore",
//	 "challengeClaim":"email","issuerType":"email"}]}
type Configuration struct {
	Issuers []Issuer `json:"issuers"`
}

// An Issuer is one OpenID issuer. It has a URL or, for a family of issuers, a
// wildcard URL in which * stands for one part.
type Issuer struct {
	URL               string `json:"issuerUrl,omitzero"`
	WildcardURL       string `json:"wildcardIssuerUrl,omitzero"`
	Audience          string `json:"audience"`
	ChallengeClaim    string `json:"challengeClaim"` // claim that a proof of possession signs: "email" or "sub"
	SPIFFETrustDomain string `json:"spiffeTrustDomain,omitzero"`
	Type              string `json:"issuerType,omitzero"` // "email", "uri", …
	SubjectDomain     string `json:"subjectDomain,omitzero"`
}

// Marshal returns the configuration in the form that [ParseConfiguration]
// reads.
func (c Configuration) Marshal() ([]byte, error) { return json.Marshal(c) }

// ParseConfiguration parses a configuration. Errors match [ErrResponse].
func ParseConfiguration(body []byte) (Configuration, error) {
	var c Configuration
	if err := unmarshalResponse(body, &c); err != nil {
		return Configuration{}, fmt.Errorf("parsing configuration: %w: %w", ErrResponse, err)
	}
	return c, nil
}
