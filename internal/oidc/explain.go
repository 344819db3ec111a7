// SPDX-License-Identifier: Apache-2.0

package oidc

import (
	"context"

	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/wire/fulcio"
)

// Explain returns what a certificate for a token would contain, and from which claims.
// The error is that of [Checker.Check].
func (c *Checker) Explain(ctx context.Context, token string) (fulcio.Explanation, error) {
	id, _, err := c.Check(ctx, token)
	if err != nil {
		return fulcio.Explanation{}, err
	}
	_, p, err := parse(token)
	if err != nil {
		return fulcio.Explanation{}, err
	}
	t := c.state.Load().trusted(p.Issuer)
	if t == nil {
		return fulcio.Explanation{}, refusal("the issuer was removed just now")
	}
	fields := []fulcio.ExplainedField{
		{Name: "issuer", Value: id.Issuer, From: []string{"iss"}},
		{Name: "subject (" + id.Subject.Type.String() + ")", Value: id.Subject.Value, From: t.subjectFrom()},
	}
	for _, f := range identity.Fields() {
		value := id.Build.Get(f)
		if value == "" {
			continue
		}
		from := t.Service.From(f)
		if from == nil {
			from = []string{"sub"}
		}
		fields = append(fields, fulcio.ExplainedField{Name: f.String(), Value: value, From: from})
	}
	return fulcio.Explanation{Fields: fields}, nil
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
