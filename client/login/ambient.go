// SPDX-License-Identifier: Apache-2.0

package login

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/hallmark-sign/hallmark/client/idtoken"
)

// Environment variables that contain tokens or lead to them.
const (
	envToken        = "SIGSTORE_ID_TOKEN"
	envRequestURL   = "ACTIONS_ID_TOKEN_REQUEST_URL"
	envRequestToken = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
)

// An Environment is the process environment that [Ambient] reads. The zero value is that of
// the process.
type Environment struct {
	Getenv func(string) string // nil means os.Getenv
	Client *http.Client        // for requests; nil means a default one
	Root   string              // replaces the root directory, for tests; empty: /
}

// sources lists the sources of tokens in the order in which they are tried. A source reports
// false if its environment is absent.
var sources = []struct {
	name  string
	asked bool // whether a token for the audience is requested
	get   func(ctx context.Context, e Environment, audience string) (token string, ok bool, err error)
}{
	{envToken, false, fromVariable},
	{"GitHub Actions", true, fromActions},
	{"Buildkite", true, fromBuildkite},
	{"CircleCI", true, fromCircleCI},
	{"the SPIFFE workload API", true, fromSPIFFE},
	{"the mounted token", false, fromFile},
	{"Google Cloud", true, fromGoogle},
}

// Ambient returns the token that the environment offers, and reports whether it
// offers one: SIGSTORE_ID_TOKEN, as GitLab sets it; the token of a job of GitHub
// Actions with id-token: write, of Buildkite or CircleCI; that of a SPIFFE workload; a
// token that Kubernetes mounts at /var/run/sigstore/cosign/oidc-token; or that of a
// service account of Google Cloud. Errors match [client.ErrUnavailable] or are of type
// *[Refused].
func Ambient(ctx context.Context, e Environment, audience string) (token string, ok bool, err error) {
	if e.Getenv == nil {
		e.Getenv = os.Getenv
	}
	e.Client = limitedClient(e.Client)
	for _, source := range sources {
		token, ok, err := source.get(ctx, e, audience)
		if !ok {
			continue
		}
		if err == nil {
			err = check(token, audience, source.asked)
		}
		if err != nil {
			return "", true, fmt.Errorf("asking for an ID token, from %s: %w", source.name, err)
		}
		return token, true, nil
	}
	return "", false, nil
}

// check refuses text that is no token, and a token for another audience than requested.
func check(token, audience string, asked bool) error {
	c, err := idtoken.Parse(token)
	if err == nil && asked && !c.Audience.Has(audience) {
		err = fmt.Errorf("token is for another audience than %s", audience)
	}
	return err
}

func fromVariable(_ context.Context, e Environment, _ string) (string, bool, error) {
	token := strings.TrimSpace(e.Getenv(envToken))
	return token, token != "", nil
}

func fromActions(ctx context.Context, e Environment, audience string) (string, bool, error) {
	request, bearer := e.Getenv(envRequestURL), e.Getenv(envRequestToken)
	if request == "" || bearer == "" {
		return "", false, nil
	}
	token, err := actionsToken(ctx, e.Client, request, bearer, audience)
	return token, true, err
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
	return answer.Value, nil
}
