// SPDX-License-Identifier: Apache-2.0

package oidc

import (
	"context"

	"github.com/hallmark-sign/hallmark/identity"
)

// A Field is a part of the certificate that a token would get.
type Field struct {
	Name  string   `json:"name"`
	Value string   `json:"value"`
	From  []string `json:"from"` // claims
}

// Explain returns what a certificate for a token would contain, and from which claims.
// The error is that of [Checker.Check].
func (c *Checker) Explain(ctx context.Context, token string) ([]Field, error) {
	id, _, err := c.Check(ctx, token)
	if err != nil {
		return nil, err
	}
	_, p, err := parse(token)
	if err != nil {
		return nil, err
	}
	t := c.state.Load().trusted(p.Issuer)
	if t == nil {
		return nil, refusal("the issuer was removed just now")
	}
	fields := []Field{{"issuer", id.Issuer, []string{"iss"}}, {"subject (" + id.Subject.Type.String() + ")", id.Subject.Value, t.subjectFrom()}}
	for _, f := range identity.Fields() {
		value := id.Build.Get(f)
		if value == "" {
			continue
		}
		from := t.Service.From(f)
		if from == nil {
			from = []string{"sub"}
		}
		fields = append(fields, Field{f.String(), value, from})
	}
	return fields, nil
}

// subjectFrom returns the claims that the subject is made of.
func (t *trusted) subjectFrom() []string {
	switch t.Type {
	case typeEmail:
		return []string{"email", "email_verified"}
	case typeKubernetes:
		return []string{"kubernetes.io", "sub"}
	case Service:
		return t.Service.From(0)
	}
	return []string{"sub"}
}
