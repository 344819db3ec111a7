// SPDX-License-Identifier: Apache-2.0

package fulcio

import (
	"fmt"

	"github.com/go-json-experiment/json"
)

// An Explanation lists what a certificate for a token would contain. It is the response
// to POST /api/hallmark/v1/explain, which Fulcio does not have:
//
//	{"certificate":[{"name":"issuer","value":"https://login.example.com","from":["iss"]},
//	 {"name":"subject (email)","value":"alice@example.com","from":["email","email_verified"]}]}
type Explanation struct {
	Fields []ExplainedField `json:"certificate"`
}

// An ExplainedField is a field of a certificate, and the claims that it is made of.
type ExplainedField struct {
	Name  string   `json:"name"`
	Value string   `json:"value"`
	From  []string `json:"from"`
}

// Marshal returns the explanation in the form that [ParseExplanation] reads.
func (e Explanation) Marshal() ([]byte, error) { return json.Marshal(e) }

// ParseExplanation parses an explanation. Errors match [ErrResponse].
func ParseExplanation(body []byte) (Explanation, error) {
	var e Explanation
	if err := unmarshalResponse(body, &e); err != nil {
		return Explanation{}, fmt.Errorf("parsing explanation: %w: %w", ErrResponse, err)
	}
	return e, nil
}
