// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/trusting"
	"github.com/hallmark-sign/hallmark/wire/fulcio"
)

// WhoAmI prints what a certificate would record of the one who signs. Nothing is
// recorded.
func (l Login) WhoAmI(ctx context.Context, env cli.Environment, at trusting.Selection) error {
	services, roots, err := at.Services(env, time.Minute)
	if err != nil {
		return err
	}
	token, err := l.Token(ctx, env, services.OIDC, roots)
	if err != nil {
		return err
	}
	services.Fulcio.Token = token.Raw
	explanation, err := services.Fulcio.Explain(ctx)
	var answer *client.StatusError
	if errors.As(err, &answer) && answer.Status == http.StatusNotFound {
		env.Say("%s does not explain its certificates. This is what the token says.", services.Fulcio.URL)
		explanation, err = fulcio.Explanation{Fields: []fulcio.ExplainedField{
			{Name: "issuer", Value: token.Issuer, From: []string{"iss"}},
			{Name: "subject", Value: token.Challenge, From: []string{"email or sub"}},
		}}, nil
	}
	if err != nil {
		return err
	}
	return env.PrintExplanation(explanation)
}
