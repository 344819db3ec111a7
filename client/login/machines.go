// SPDX-License-Identifier: Apache-2.0

package login

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// mountedToken is the path where Kubernetes mounts a projected token for Sigstore clients.
const mountedToken = "var/run/sigstore/cosign/oidc-token"

// fromFile reads the token that Kubernetes mounts.
func fromFile(_ context.Context, e Environment, _ string) (string, bool, error) {
	raw, err := readSmall(filepath.Join(e.root(), mountedToken))
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	return strings.TrimSpace(string(raw)), true, err
}

func (e Environment) root() string {
	if e.Root != "" {
		return e.Root
	}
	return string(filepath.Separator)
}

func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxResponse))
}

// fromBuildkite asks the API that the agent's own commands use:
//
//	POST $BUILDKITE_AGENT_ENDPOINT/jobs/$BUILDKITE_JOB_ID/oidc/tokens {"audience":"sigstore"}
//	→ {"token":"eyJ…"}
func fromBuildkite(ctx context.Context, e Environment, audience string) (string, bool, error) {
	endpoint, job, secret := e.Getenv("BUILDKITE_AGENT_ENDPOINT"), e.Getenv("BUILDKITE_JOB_ID"), e.Getenv("BUILDKITE_AGENT_ACCESS_TOKEN")
	if endpoint == "" || job == "" || secret == "" {
		return "", false, nil
	}
	where := strings.TrimSuffix(endpoint, "/") + "/jobs/" + url.PathEscape(job) + "/oidc/tokens"
	if err := checkURL(where); err != nil {
		return "", true, fmt.Errorf("BUILDKITE_AGENT_ENDPOINT: %w", err)
	}
	body, err := json.Marshal(map[string]string{"audience": audience})
	if err != nil {
		return "", true, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, where, bytes.NewReader(body))
	if err != nil {
		return "", true, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Token "+secret)
	var answer struct {
		Token string `json:"token"`
	}
	err = exchange(e.Client, req, &answer)
	return answer.Token, true, err
}

// fromCircleCI runs CircleCI's own command, since the tokens in its variables are for
// another audience.
func fromCircleCI(ctx context.Context, e Environment, audience string) (string, bool, error) {
	if e.Getenv("CIRCLECI") != "true" || e.Getenv("CIRCLE_OIDC_TOKEN_V2") == "" {
		return "", false, nil
	}
	claims, err := json.Marshal(map[string]string{"aud": audience})
	if err != nil {
		return "", true, err
	}
	token, err := run(ctx, "circleci", "run", "oidc", "get", "--claims", string(claims))
	return token, true, err
}

// run returns the token that a program prints. The error has what the program wrote to
// its standard error.
func run(ctx context.Context, program string, args ...string) (string, error) {
	var out, problem bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.WaitDelay = time.Second // for programs that it has started, and that keep its output open
	cmd.Stdout, cmd.Stderr = &limitedWriter{&out, maxResponse}, &limitedWriter{&problem, maxResponse}
	if err := cmd.Run(); err != nil {
		if text := oneLine(strings.TrimSpace(problem.String())); text != "" {
			err = fmt.Errorf("%w: %s", err, text)
		}
		return "", fmt.Errorf("running %s: %w", program, err)
	}
	return strings.TrimSpace(out.String()), nil
}

// A limitedWriter drops everything beyond its limit, in bytes.
type limitedWriter struct {
	*bytes.Buffer
	rest int
}

// Write always reports success.
func (w *limitedWriter) Write(p []byte) (int, error) {
	n := min(len(p), w.rest)
	w.rest -= n
	w.Buffer.Write(p[:n])
	return len(p), nil
}

// metadataHost is the host of Google Cloud's metadata server, unless GCE_METADATA_HOST names
// another one.
const metadataHost = "metadata.google.internal"

// fromGoogle asks the metadata server for a token of the machine's service account:
//
//	GET /computeMetadata/v1/instance/service-accounts/default/identity?audience=sigstore&format=full
func fromGoogle(ctx context.Context, e Environment, audience string) (string, bool, error) {
	host := e.Getenv("GCE_METADATA_HOST")
	if host == "" {
		product, err := readSmall(filepath.Join(e.root(), "sys/class/dmi/id/product_name"))
		if err != nil || !strings.HasPrefix(string(product), "Google") {
			return "", false, nil
		}
		host = metadataHost
	}
	query := url.Values{"audience": {audience}, "format": {"full"}}
	where := "http://" + host + "/computeMetadata/v1/instance/service-accounts/default/identity?" + query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return "", true, err
	}
	req.Header.Set("Metadata-Flavor", "Google")
	direct := limitedClient(&http.Client{Transport: &http.Transport{}}) // no proxy can reach the machine's own server
	defer direct.CloseIdleConnections()
	resp, body, err := do(direct, req)
	if err != nil {
		return "", true, err
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Metadata-Flavor") != "Google" {
		return "", true, refusal(resp, nil)
	}
	return strings.TrimSpace(string(body)), true, nil
}
