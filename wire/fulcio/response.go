// SPDX-License-Identifier: Apache-2.0

package fulcio

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
)

// Limits of the responses that this package parses.
const (
	MaxResponse = 1 << 20 // bytes
	MaxChain    = 16      // certificates in a chain, chains in a trust bundle
)

// ErrResponse is matched by every error about a malformed response.
var ErrResponse = errors.New("malformed response of the certificate authority")

type chain struct {
	Certificates []string `json:"certificates"` // PEM, one each
}

// A response is {"signedCertificateEmbeddedSct":{"chain":{"certificates":["PEM
// leaf","PEM …","PEM root"]}}}
type response struct {
	Embedded struct {
		Chain chain `json:"chain"`
	} `json:"signedCertificateEmbeddedSct"`
}

// MarshalResponse returns the response to a request: the leaf with its embedded
// SCT first, the root last.
func MarshalResponse(certificates []*x509.Certificate) ([]byte, error) {
	if len(certificates) == 0 {
		return nil, errors.New("marshalling response: no certificate")
	}
	var m response
	m.Embedded.Chain = chainOf(certificates)
	return json.Marshal(m)
}

// ParseResponse parses the response to a request and returns its certificates,
// leaf first. It does not check that the certificates form a chain. Errors
// match [ErrResponse].
func ParseResponse(body []byte) ([]*x509.Certificate, error) {
	var m response
	if err := unmarshalResponse(body, &m); err != nil {
		return nil, fmt.Errorf("parsing response: %w: %w", ErrResponse, err)
	}
	certificates, err := m.Embedded.Chain.parse()
	if err != nil {
		return nil, fmt.Errorf("parsing response: %w: %w", ErrResponse, err)
	}
	return certificates, nil
}

// A TrustBundle lists the chains that the authority issues under. Each chain
// starts with the issuing certificate and ends with its root.
//
//	{"chains":[{"certificates":["PEM intermediate","PEM root"]}]}
type TrustBundle [][]*x509.Certificate

type trustBundle struct {
	Chains []chain `json:"chains"`
}

// Marshal returns the response to GET /api/v2/trustBundle.
func (b TrustBundle) Marshal() ([]byte, error) {
	m := trustBundle{Chains: make([]chain, len(b))}
	for i, certificates := range b {
		m.Chains[i] = chainOf(certificates)
	}
	return json.Marshal(m)
}

// ParseTrustBundle parses the response to GET /api/v2/trustBundle. Errors match
// [ErrResponse].
func ParseTrustBundle(body []byte) (TrustBundle, error) {
	var m trustBundle
	if err := unmarshalResponse(body, &m); err != nil {
		return nil, fmt.Errorf("parsing trust bundle: %w: %w", ErrResponse, err)
	}
	if len(m.Chains) == 0 || len(m.Chains) > MaxChain {
		return nil, fmt.Errorf("parsing trust bundle: %w: %d chains", ErrResponse, len(m.Chains))
	}
	b := make(TrustBundle, len(m.Chains))
	for i, c := range m.Chains {
		var err error
		if b[i], err = c.parse(); err != nil {
			return nil, fmt.Errorf("parsing trust bundle: %w: chain %d: %w", ErrResponse, i, err)
		}
	}
	return b, nil
}

// MarshalPEM returns the concatenated PEM of the certificates. API v1 responds
// in this form.
func MarshalPEM(certificates []*x509.Certificate) []byte {
	var all bytes.Buffer
	for _, c := range certificates {
		all.Grow(2*len(c.Raw) + 64) // more than base64 and its frame take
		// Encode can't fail: a bytes.Buffer accepts every write and the block has no
		// headers.
		pem.Encode(&all, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	return all.Bytes()
}

func unmarshalResponse(body []byte, v any) error {
	if len(body) > MaxResponse {
		return fmt.Errorf("%d bytes, at most %d", len(body), MaxResponse)
	}
	return json.Unmarshal(body, v)
}

func chainOf(certificates []*x509.Certificate) chain {
	c := chain{Certificates: make([]string, len(certificates))}
	for i := range certificates {
		c.Certificates[i] = string(MarshalPEM(certificates[i : i+1]))
	}
	return c
}

func (c chain) parse() ([]*x509.Certificate, error) {
	if len(c.Certificates) == 0 || len(c.Certificates) > MaxChain {
		return nil, fmt.Errorf("%d certificates, want 1 to %d", len(c.Certificates), MaxChain)
	}
	all := make([]*x509.Certificate, len(c.Certificates))
	for i, text := range c.Certificates {
		block, rest := pem.Decode([]byte(text))
		if block == nil || block.Type != "CERTIFICATE" || len(rest) > 0 {
			return nil, fmt.Errorf("certificate %d is not one block of PEM", i)
		}
		var err error
		if all[i], err = x509.ParseCertificate(block.Bytes); err != nil {
			return nil, fmt.Errorf("certificate %d: %w", i, err)
		}
	}
	return all, nil
}
