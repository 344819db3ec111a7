// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hallmark-sign/hallmark/hallmarktest"
)

// A client is a Sigstore client, hallmark or another, driven by files. Its methods return the
// client's message as an error when it refuses. Other failures of a client look the same, so
// every test of a refusal also tests an acceptance.
type client struct {
	name string

	// signBlob signs the file of the request into request.bundle.
	signBlob func(t *testing.T, r request) error
	// signStatement signs the statement about the file as a DSSE envelope.
	signStatement func(t *testing.T, r request) error
	// verify checks request.bundle against the file, identity and issuer.
	verify func(t *testing.T, r request) error

	// readsAttestations is false for a client that cannot verify an envelope
	// logged as hashedrekord, as Rekor v2 does now.
	readsAttestations bool
	// readsSubjects: verify compares an attestation's subjects with the file.
	readsSubjects bool
}

// A request is the input of signing or verifying, in files.
type request struct {
	instance      *hallmarktest.Instance
	url           string // of the instance
	trustedRoot   string
	signingConfig string
	token         string // an ID token of identity
	file          string // the artifact
	predicate     string // JSON
	predicateType string
	statement     string // an in-toto statement of the three above
	bundle        string
	identity      string
	issuer        string
	attestation   bool // the bundle holds an envelope, not a message signature
}

func clients() []client {
	return []client{
		{name: "hallmark", signBlob: hallmarkSign, signStatement: hallmarkAttest, verify: hallmarkVerify, readsAttestations: true, readsSubjects: true},
		{name: "sigstore-go", signBlob: sigstoreGoSign, signStatement: sigstoreGoAttest, verify: sigstoreGoVerify, readsAttestations: true, readsSubjects: true},
		{name: "cosign", signBlob: cosignSign, signStatement: cosignAttest, verify: cosignVerify, readsAttestations: true, readsSubjects: true},
		npmClient("sigstore-5", true),
		// compares the entry's digest, over the envelope, with the payload's
		npmClient("sigstore-4", false),
	}
}

// require ends the test when a client cannot be had: in CI that is a failure,
// elsewhere a skip.
func require(t *testing.T, client string, err error) {
	t.Helper()
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatalf("%s CANNOT BE HAD, so nobody else has judged hallmark: %v", client, err)
	default:
		t.Skipf("%s CANNOT BE HAD: %v", client, err)
	}
}

// run runs a command to its end in an environment of its own, so that no
// client finds a user's configuration, keys, caches or ambient tokens.
func run(t *testing.T, name string, args ...string) error {
	t.Helper()
	return runAt(t, t.TempDir(), name, args...)
}

// runAt runs a command like run, in an existing home directory.
func runAt(t *testing.T, home, name string, args ...string) error {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = home
	cmd.Env = []string{"HOME=" + home, "TUF_ROOT=" + filepath.Join(home, "tuf"), "HALLMARK_HOME=" + home, "PATH=" + os.Getenv("PATH"), "NO_PROXY=127.0.0.1", "COSIGN_PASSWORD="}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), args[0], err, said.Bytes())
	}
	return nil
}

// build compiles a command once per run of the tests, with the versions that
// the module in dir asks for, under its own name or another. The build cache makes the second run cheap.
func build(dir, pkg string, name ...string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		bin := filepath.Join(cache, "hallmark-interop", append(name, filepath.Base(pkg))[0])
		out, err := exec.Command("go", "-C", dir, "build", "-trimpath", "-ldflags=-s -w", "-o", bin, pkg).CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("building %s: %w\n%s", pkg, err, out)
		}
		return bin, nil
	})
}

// write puts content into a new file of the test.
func write(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func readTrimmed(t *testing.T, path string) string {
	t.Helper()
	return strings.TrimSpace(string(read(t, path)))
}
