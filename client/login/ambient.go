// SPDX-License-Identifier: Apache-2.0

package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/hallmark-sign/hallmark/client/idtoken"
)

// Environment variables that tokens come from.
const (
	envToken        = "SIGSTORE_ID_TOKEN"
	envRequestURL   = "ACTIONS_ID_TOKEN_REQUEST_URL"
	envRequestToken = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
)

// Ambient returns the token that the environment offers, and reports whether it
// offers one. The token is SIGSTORE_ID_TOKEN, or that of a GitHub Actions job
// with id-token: write. A nil client means a default one. Errors match
// [client.ErrUnavailable] or are of type *[Refused].
func Ambient(ctx context.Context, client *http.Client, getenv func(string) string, audience string) (token string, ok bool, err error) {
	if token := strings.TrimSpace(getenv(envToken)); token != "" {
		if _, err := idtoken.Parse(token); err != nil {
			return "", true, fmt.Errorf("%s: %w", envToken, err)
		}
		return token, true, nil
	}
	request, bearer := getenv(envRequestURL), getenv(envRequestToken)
	if request == "" || bearer == "" {
		return "", false, nil
	}
	token, err = actionsToken(ctx, limitedClient(client), request, bearer, audience)
	if err != nil {
		return "", true, fmt.Errorf("asking GitHub Actions for a token: %w", err)
	}
	return token, true, nil
}

// actionsToken requests a token from the runner's service:
//
//	GET $ACTIONS_ID_TOKEN_REQUEST_URL&audience=sigstore → {"value":"eyJ…"}
func actionsToken(ctx context.Context, client *http.Client, request, bearer, audience string) (string, error) {
	if err := checkURL(request); err != nil {
		return "", fmt.Errorf("%s: %w", envRequestURL, err)
	}
	u, err := url.Parse(request)
	if err != nil {
		return "", fmt.Errorf("%s is not a URL", envRequestURL)
	}
	query := u.Query()
	query.Set("audience", audience)
	u.RawQuery = query.Encode()
	var answer struct {
		Value string `json:"value"`
	}
	if err := getJSON(ctx, client, u.String(), bearer, &answer); err != nil {
		return "", err
	}
	c, err := idtoken.Parse(answer.Value)
	if err != nil {
		return "", err
	}
	if !c.Audience.Has(audience) {
		return "", errors.New("token is for another audience")
	}
	return answer.Value, nil
}
