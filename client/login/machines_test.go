// SPDX-License-Identifier: Apache-2.0

package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// ambient gets a token from an environment with these variables, in which root replaces /.
func ambient(t *testing.T, root string, env map[string]string) (string, bool, error) {
	t.Helper()
	return Ambient(t.Context(), Environment{Getenv: func(name string) string { return env[name] }, Root: root}, "sigstore")
}

func TestBuildkite(t *testing.T) {
	token := tokenOf(`{"sub":"organization:acme","aud":"sigstore"}`)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Audience string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.Method != http.MethodPost || body.Audience != "sigstore" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if r.URL.Path != "/v3/jobs/a%2Fb/oidc/tokens" && r.URL.EscapedPath() != "/v3/jobs/a%2Fb/oidc/tokens" || r.Header.Get("Authorization") != "Token secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		json.NewEncoder(w).Encode(map[string]string{"token": token})
	}))
	t.Cleanup(server.Close)
	env := map[string]string{"BUILDKITE_AGENT_ENDPOINT": server.URL + "/v3", "BUILDKITE_JOB_ID": "a/b", "BUILDKITE_AGENT_ACCESS_TOKEN": "secret"}
	if got, ok, err := ambient(t, t.TempDir(), env); got != token || !ok || err != nil {
		t.Errorf("got %q, %t, %v", got, ok, err)
	}
	env["BUILDKITE_AGENT_ACCESS_TOKEN"] = "other"
	var refused *Refused
	if _, ok, err := ambient(t, t.TempDir(), env); !ok || !errors.As(err, &refused) || strings.Contains(err.Error(), "other") {
		t.Errorf("got %t, %v", ok, err)
	}
	env["BUILDKITE_AGENT_ENDPOINT"] = "http://agent.example.com/v3"
	if _, ok, err := ambient(t, t.TempDir(), env); !ok || err == nil {
		t.Errorf("the secret crossed the network in plain text: %t, %v", ok, err)
	}
}

func TestCircleCI(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a script stands for the program")
	}
	token := tokenOf(`{"sub":"org/O/project/P","aud":"sigstore"}`)
	bin := t.TempDir()
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	script := func(text string) {
		if err := os.WriteFile(filepath.Join(bin, "circleci"), []byte("#!/bin/sh\n"+text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	env := map[string]string{"CIRCLECI": "true", "CIRCLE_OIDC_TOKEN_V2": tokenOf(`{"aud":"an organization"}`)}
	script(`[ "$*" = 'run oidc get --claims {"aud":"sigstore"}' ] && echo "` + token + `"`)
	if got, ok, err := ambient(t, t.TempDir(), env); got != token || !ok || err != nil {
		t.Errorf("got %q, %t, %v", got, ok, err)
	}
	script("echo 'no such\x1b[31m claim' >&2; exit 1")
	if _, ok, err := ambient(t, t.TempDir(), env); !ok || err == nil || !strings.Contains(err.Error(), "no such [31m claim") {
		t.Errorf("got %t, %v", ok, err)
	}
	script("sleep 20 & wait")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := run(ctx, "circleci"); err == nil || time.Since(start) > 10*time.Second {
		t.Errorf("got %v after %v", err, time.Since(start))
	}
}

func TestMountedToken(t *testing.T) {
	token := tokenOf(`{"sub":"system:serviceaccount:default:web","aud":["sigstore"]}`)
	root := t.TempDir()
	path := filepath.Join(root, mountedToken)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, ok, err := ambient(t, root, nil); got != token || !ok || err != nil {
		t.Errorf("got %q, %t, %v", got, ok, err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := ambient(t, root, nil); !ok || err == nil {
		t.Errorf("an empty file: %t, %v", ok, err)
	}
}

func TestGoogle(t *testing.T) {
	token := tokenOf(`{"sub":"110","email":"builder@project.iam.gserviceaccount.com","email_verified":true,"aud":"sigstore"}`)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Metadata-Flavor", "Google")
		if r.Header.Get("Metadata-Flavor") != "Google" || r.URL.Query().Get("audience") != "sigstore" || r.URL.Query().Get("format") != "full" ||
			r.URL.Path != "/computeMetadata/v1/instance/service-accounts/default/identity" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		io.WriteString(w, token)
	}))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	if got, ok, err := ambient(t, t.TempDir(), map[string]string{"GCE_METADATA_HOST": host}); got != token || !ok || err != nil {
		t.Errorf("got %q, %t, %v", got, ok, err)
	}
	portal := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, token) }))
	t.Cleanup(portal.Close)
	if got, ok, err := ambient(t, t.TempDir(), map[string]string{"GCE_METADATA_HOST": strings.TrimPrefix(portal.URL, "http://")}); !ok || err == nil {
		t.Errorf("a server that is not Google's: %q, %t, %v", got, ok, err)
	}
}

// workloadAPI answers calls for a JWT-SVID over a Unix socket. interop/ uses go-spiffe's types
// and a real gRPC server instead.
func workloadAPI(t *testing.T, answer http.HandlerFunc) (socket string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Skip(err)
	}
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: answer, Protocols: &protocols}
	go server.Serve(l)
	t.Cleanup(func() { server.Shutdown(context.WithoutCancel(t.Context())) })
	return "unix://" + path
}

func TestSPIFFE(t *testing.T) {
	token := tokenOf(`{"sub":"spiffe://example.org/web","aud":["sigstore"]}`)
	status := func(code string, body []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			raw, _ := io.ReadAll(r.Body)
			if r.Header.Get("workload.spiffe.io") != "true" || string(raw) != "\x00\x00\x00\x00\x0a\x0a\x08sigstore" {
				code = "3"
			}
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Trailer", "Grpc-Status, Grpc-Message")
			w.Write(body)
			w.Header().Set("Grpc-Status", code)
			w.Header().Set("Grpc-Message", "no identity issued")
		}
	}
	message := func(payload []byte) []byte {
		return append([]byte{0, 0, 0, byte(len(payload) >> 8), byte(len(payload))}, payload...)
	}
	svid := append(field(1, []byte("spiffe://example.org/web")), field(2, []byte(token))...)
	ask := func(answer http.HandlerFunc) (string, bool, error) {
		return ambient(t, t.TempDir(), map[string]string{"SPIFFE_ENDPOINT_SOCKET": workloadAPI(t, answer)})
	}
	if got, ok, err := ask(status("0", message(field(1, svid)))); got != token || !ok || err != nil {
		t.Errorf("got %q, %t, %v", got, ok, err)
	}
	for what, answer := range map[string]http.HandlerFunc{
		"refused":         status("7", nil),
		"no status":       func(w http.ResponseWriter, _ *http.Request) { w.Write(message(field(1, svid))) },
		"cut":             status("0", message(field(1, svid))[:20]),
		"compressed":      status("0", append([]byte{1}, message(field(1, svid))[1:]...)),
		"no SVID":         status("0", message(nil)),
		"SVID, no token":  status("0", message(field(1, field(1, []byte("x"))))),
		"length too long": status("0", message([]byte{0x0a, 0x7f, 'x'})),
		"huge length":     status("0", message([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})),
		"other types":     status("0", message([]byte{0x0d, 1, 2, 3, 4})),
		"not found":       http.NotFound,
	} {
		if got, ok, err := ask(answer); !ok || err == nil {
			t.Errorf("%s: %q, %t, %v", what, got, ok, err)
		}
	}
	for _, socket := range []string{"/run/x", "unix:", "https://example.com", "tcp://example.com:80", "tcp://127.0.0.1", "%"} {
		if _, ok, err := ambient(t, t.TempDir(), map[string]string{"SPIFFE_ENDPOINT_SOCKET": socket}); !ok || err == nil {
			t.Errorf("%s: %t, %v", socket, ok, err)
		}
	}
}

func FuzzFirstField(f *testing.F) {
	f.Add(append(field(1, []byte("x")), field(2, []byte("y"))...))
	f.Add([]byte{0x08, 0x01, 0x0a, 0x01, 'x'})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if value, err := firstField(raw, 2); err == nil && len(value) > len(raw) {
			t.Error(fmt.Sprint(len(value)))
		}
	})
}
