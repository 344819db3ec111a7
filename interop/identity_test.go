// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/sigstore/fulcio/pkg/config"
	"github.com/sigstore/fulcio/pkg/identity/ciprovider"
	"go.yaml.in/yaml/v3"

	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/internal/claims"
)

// TestCIServices checks certificates' extensions against those that Fulcio makes from the same
// tokens, with its own configuration.
func TestCIServices(t *testing.T) {
	fulcio := fulcioConfig(t)
	raw, err := os.ReadFile("../internal/claims/testdata/tokens.json")
	if err != nil {
		t.Fatal(err)
	}
	var tokens map[string]map[string]any
	if err := json.Unmarshal(raw, &tokens); err != nil {
		t.Fatal(err)
	}
	for _, service := range slices.Sorted(maps.Keys(tokens)) {
		token := tokens[service]
		issuer := token["iss"].(string)
		if _, known := fulcio.GetIssuer(issuer); !known {
			continue // Jenkins
		}
		t.Run(service, func(t *testing.T) {
			want := fulcioExtensions(t, fulcio, token)
			for id, value := range hallmarkExtensions(t, service, issuer, token) {
				// Fulcio's platform_url of CircleCI ends in a slash.
				if fulcios := bytes.Replace(want[id], []byte("\x0c*https://app.circleci.com//"), []byte("\x0c)https://app.circleci.com/"), 1); !bytes.Equal(value, fulcios) {
					t.Errorf("%s: got %q, Fulcio makes %q", id, value, want[id])
				}
				delete(want, id)
			}
			for id, value := range want {
				if len(strings.Trim(string(value), "\x0c\x00\x02\"")) > 0 {
					t.Errorf("%s: missing, Fulcio makes %q", id, value)
				}
			}
		})
	}
}

// fulcioConfig reads the configuration of the public instance. It does not call
// config.Load, which asks all issuers for their keys.
func fulcioConfig(t *testing.T) *config.FulcioConfig {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(moduleDir(t, "github.com/sigstore/fulcio"), "config", "identity", "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var c config.FulcioConfig
	if err := yaml.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	return &c
}

// fulcioExtensions returns the extensions and the subject alternative name by Fulcio.
func fulcioExtensions(t *testing.T, fulcio *config.FulcioConfig, token map[string]any) map[string][]byte {
	t.Helper()
	principal, err := ciprovider.WorkflowPrincipalFromIDToken(config.With(t.Context(), fulcio), idToken(t, token))
	if err != nil {
		t.Fatal(err)
	}
	var c x509.Certificate
	if err := principal.Embed(t.Context(), &c); err != nil {
		t.Fatal(err)
	}
	return byID(c.ExtraExtensions, c.URIs[0].String())
}

func hallmarkExtensions(t *testing.T, service, issuer string, token map[string]any) map[string][]byte {
	t.Helper()
	raw, err := json.Marshal(token)
	if err != nil {
		t.Fatal(err)
	}
	set, err := claims.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	s, ok := claims.NewService(service, issuer)
	if !ok {
		t.Fatal("unknown service")
	}
	subject, build, err := s.Identity(set)
	if err != nil {
		t.Fatal(err)
	}
	build.TokenSubject = token["sub"].(string) // as package oidc sets it
	extensions, err := identity.Identity{Issuer: issuer, Subject: subject, Build: build}.Extensions()
	if err != nil {
		t.Fatal(err)
	}
	return byID(extensions[1:], subject.Value)
}

func byID(extensions []pkix.Extension, uri string) map[string][]byte {
	all := map[string][]byte{"subject alternative name": []byte(uri)}
	for _, e := range extensions {
		all[e.Id.String()] = e.Value
	}
	return all
}

// idToken signs and verifies a token, as Fulcio takes only tokens that were verified.
func idToken(t *testing.T, token map[string]any) *oidc.IDToken {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token = maps.Clone(token)
	token["exp"] = time.Now().Add(time.Minute).Unix()
	payload, err := json.Marshal(token)
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
	verifier := oidc.NewVerifier(token["iss"].(string), &oidc.StaticKeySet{PublicKeys: []crypto.PublicKey{key.Public()}},
		&oidc.Config{ClientID: "sigstore", SupportedSigningAlgs: []string{"ES256"}})
	verified, err := verifier.Verify(context.Background(), text)
	if err != nil {
		t.Fatal(err)
	}
	return verified
}

// moduleDir returns the directory of a module's source.
func moduleDir(t *testing.T, module string) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
