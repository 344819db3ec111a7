// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/hallmarktest"
	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/verify"
)

// A ciIssuer is an issuer of tokens like those of GitHub Actions.
type ciIssuer struct {
	*httptest.Server
	key *ecdsa.PrivateKey
}

func newCIIssuer(t *testing.T) *ciIssuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := &ciIssuer{key: key}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/keys" {
			json.MarshalWrite(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Use: "sig"}}})
			return
		}
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, i.URL, i.URL+"/keys")
	}))
	t.Cleanup(i.Close)
	return i
}

// token returns a token of a job of repository.
func (i *ciIssuer) token(t *testing.T, repository, event string) string {
	t.Helper()
	owner, _, _ := strings.Cut(repository, "/")
	payload, err := json.Marshal(map[string]any{
		"iss": i.URL, "aud": "sigstore", "sub": "repo:" + repository + ":ref:refs/heads/main",
		"iat": time.Now().Unix(), "exp": time.Now().Add(5 * time.Minute).Unix(),
		"repository": repository, "repository_owner": owner, "repository_id": "74", "repository_owner_id": "65", "repository_visibility": "private",
		"ref": "refs/heads/main", "sha": strings.Repeat("ab", 20), "event_name": event, "workflow": "release", "runner_environment": "self-hosted",
		"workflow_ref": repository + "/.github/workflows/release.yml@refs/heads/main", "workflow_sha": strings.Repeat("ab", 20),
		"job_workflow_ref": repository + "/.github/workflows/release.yml@refs/heads/main", "job_workflow_sha": strings.Repeat("ab", 20),
		"run_id": "1", "run_attempt": "1",
	})
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: i.key, KeyID: "1"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestCIJobs signs with the token of a CI job, verifies the bundle, and checks that the
// rules of the issuer hold.
func TestCIJobs(t *testing.T) {
	ci := newCIIssuer(t)
	instance := hallmarktest.Start(t, hallmarktest.Options{Configure: func(c *config.Config) {
		c.Issuers = []config.Issuer{{
			URL: ci.URL, Audience: "sigstore", Type: "github",
			Allow: []config.Rule{{"repository": {"octo-org/*"}}},
			Deny:  []config.Rule{{"event_name": {"pull_request", "pull_request_target"}}},
		}}
	}})
	sign := func(token string) (identity.Identity, error) {
		services, err := client.Open(instance.SigningConfig, time.Now(), client.NewHTTP(time.Minute, nil))
		if err != nil {
			t.Fatal(err)
		}
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		services.Fulcio.Token = token
		b, err := services.Signer(key).Message(t.Context(), strings.NewReader("a release"))
		if err != nil {
			return identity.Identity{}, err
		}
		v, err := verify.New(instance.Root)
		if err != nil {
			t.Fatal(err)
		}
		workflow := ci.URL + "/octo-org/app/.github/workflows/release.yml@refs/heads/main"
		result, err := v.Verify(b, verify.FromReader(strings.NewReader("a release")), verify.Requirements{Identities: []identity.Matcher{identity.NewMatcher(workflow, ci.URL)}})
		if err != nil {
			t.Fatal(err)
		}
		return result.Identity, nil
	}
	id, err := sign(ci.token(t, "octo-org/app", "push"))
	if err != nil {
		t.Fatal(err)
	}
	if id.Build.SourceRepositoryURI != ci.URL+"/octo-org/app" || id.Build.Trigger != "push" || id.Build.TokenSubject != "repo:octo-org/app:ref:refs/heads/main" {
		t.Errorf("the certificate has %+v", id.Build)
	}
	for token, want := range map[string]string{
		ci.token(t, "octo-org/app", "pull_request_target"): "deny rule 1 of this issuer matches (event_name)",
		ci.token(t, "stranger/app", "push"):                "no allow rule of this issuer matches: claim repository does not match allow rule 1",
		ci.token(t, "octo-org/app/x", "push"):              "no allow rule",
	} {
		if _, err := sign(token); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
