package fulcio

import (
	"fmt"

	"github.com/go-json-experiment/json"
)

// Configuration is the issuers whose tokens the authority takes: the answer of
// GET /api/v2/configuration.
//
//	{"issuers":[{"issuerUrl":"https://login.example.com","audience":"sigstore",
//	 "challengeClaim":"email","issuerType":"email"}]}
type Configuration struct {
	Issuers []Issuer `json:"issuers"`
}

// Issuer is one OpenID issuer, by URL or, for families of issuers, by a
// wildcard in which * stands for one part of it.
type Issuer struct {
	URL               string `json:"issuerUrl,omitzero"`
	WildcardURL       string `json:"wildcardIssuerUrl,omitzero"`
	Audience          string `json:"audience"`
	ChallengeClaim    string `json:"challengeClaim"` // "email" or "sub": what a proof of possession signs
	SPIFFETrustDomain string `json:"spiffeTrustDomain,omitzero"`
	Type              string `json:"issuerType,omitzero"` // "email", "uri", …
	SubjectDomain     string `json:"subjectDomain,omitzero"`
}

// Marshal writes the configuration; ParseConfiguration reads it back.
func (c Configuration) Marshal() ([]byte, error) { return json.Marshal(c) }

// ParseConfiguration reads the configuration. Errors: ErrResponse.
func ParseConfiguration(body []byte) (Configuration, error) {
	var c Configuration
	if err := unmarshalAnswer(body, &c); err != nil {
		return Configuration{}, fmt.Errorf("parsing configuration: %w: %w", ErrResponse, err)
	}
	return c, nil
}
