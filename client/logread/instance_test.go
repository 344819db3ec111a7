// SPDX-License-Identifier: Apache-2.0

package logread_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/client/logread"
	"github.com/hallmark-sign/hallmark/hallmarktest"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/wire/rekor"
)

func TestMain(m *testing.M) { testkit.Parallel(m) }

// An instance is a running instance with the keys of its logs.
type instance struct {
	*hallmarktest.Instance
	dir  string
	keys []logread.Key
	key  *ecdsa.PrivateKey
}

func start(t testing.TB, o hallmarktest.Options) *instance {
	t.Helper()
	i := &instance{Instance: hallmarktest.Start(t, o)}
	i.dir = filepath.Dir(filepath.Dir(i.TrustedRootFile))
	var err error
	if i.keys, err = logread.KeysOf(i.Root); err != nil {
		t.Fatal(err)
	}
	if i.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	return i
}

func (i *instance) log(name string) *logread.Log {
	return &logread.Log{Source: logread.Dir(filepath.Join(i.dir, name)), Keys: i.keys}
}

func (i *instance) served(prefix string) *logread.Log {
	return &logread.Log{Source: logread.HTTP{URL: i.URL + prefix, Client: client.NewHTTP(time.Minute, nil)}, Keys: i.keys}
}

// add adds entries to both logs with several concurrent clients.
func (i *instance) add(t testing.TB, entries, clients int) {
	t.Helper()
	h := client.NewHTTP(time.Minute, nil)
	const who = "alice@example.com"
	ca := client.Fulcio{URL: i.URL, HTTP: h, Token: i.Token(t, who)}
	var wait sync.WaitGroup
	for c := range clients {
		wait.Go(func() {
			for n := c; n < entries; n += clients {
				certs, err := ca.Certify(t.Context(), i.key)
				if err == nil {
					err = i.sign(t.Context(), h, n, certs[0])
				}
				if err != nil && t.Context().Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
}

// TestWhileItServes checks that a log that grows while it is checked has no findings.
func TestWhileItServes(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]hallmarktest.Options{"alone": {}, "witnessed": {Witness: true}} {
		t.Run(name, func(t *testing.T) {
			i := start(t, o)
			i.add(t, 1, 1)
			added := make(chan struct{})
			go func() {
				defer close(added)
				i.add(t, 300, 8)
			}()
			checks := 0
			for more := true; more; checks++ {
				select {
				case <-added:
					more = false
				default:
				}
				for name, l := range map[string]*logread.Log{
					"rekor": i.log("rekor"), "ct": i.log("ct"), "Rekor by HTTP": i.served("/api/v2"), "CT by HTTP": i.served("/ct"),
				} {
					if r, err := l.Check(t.Context(), logread.CheckOptions{}); err != nil || len(r.Findings) > 0 {
						t.Fatalf("%s: %+v, %v", name, r, err)
					}
				}
			}
			t.Logf("checked %d times", checks)
		})
	}
}

// TestBytesDamaged checks that a change of any byte of an instance's logs is found, also in
// bytes that no hash covers.
func TestBytesDamaged(t *testing.T) {
	t.Parallel()
	i := start(t, hallmarktest.Options{Witness: true})
	i.add(t, 2, 1)
	for _, name := range []string{"rekor", "ct"} {
		dir := filepath.Join(i.dir, name)
		waitForSize(t, i.log(name), 2)
		if r := check(t, i.log(name)); len(r.Findings) > 0 {
			t.Fatalf("%s: %v", name, r.Findings)
		}
		for _, path := range files(t, dir) {
			if path == "lock" || path == "journal" || strings.HasSuffix(path, ".seen") || strings.HasPrefix(path, "leaves/") {
				continue // the engine's own
			}
			damageBytes(t, i.log(name), dir, path)
		}
	}
}

func damageBytes(t *testing.T, l *logread.Log, dir, path string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, path))
	if err != nil {
		t.Fatal(err)
	}
	stride := 1 + len(content)/testkit.Rounds(50, 500)
	for at := 0; at < len(content); at += stride {
		mangled := append([]byte(nil), content...)
		mangled[at] ^= 1
		if err := os.WriteFile(filepath.Join(dir, path), mangled, 0o644); err != nil {
			t.Fatal(err)
		}
		r, err := l.Check(t.Context(), logread.CheckOptions{})
		stranger := (path == "checkpoint" || path == "head") && inLineOfAnother(content, at)
		if err == nil && len(r.Findings) == 0 && !stranger {
			t.Errorf("%s, byte %d of %d: not found", path, at, len(content))
		}
		if err == nil && path != "checkpoint" && len(r.Findings) > 0 && !accuses(r, path) {
			t.Errorf("%s, byte %d of %d: found %v", path, at, len(content), r.Findings)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, path), content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// inLineOfAnother reports whether a byte is in the line of an Ed25519 key or a witness, which
// follow the log's own line and have keys that the trusted root does not contain.
func inLineOfAnother(envelope []byte, at int) bool {
	return strings.Count(string(envelope[:at]), "\n") > 4
}

func accuses(r *logread.Report, path string) bool {
	for _, f := range r.Findings {
		if f.Path == path || strings.HasSuffix(f.Detail, path) {
			return true
		}
	}
	return false
}

func waitForSize(t *testing.T, l *logread.Log, size uint64) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		h, err := l.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if h.Size == size {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the log shows %d entries, of %d", h.Size, size)
		}
	}
}

func (i *instance) sign(ctx context.Context, h *http.Client, n int, cert *x509.Certificate) error {
	digest := sha256.Sum256(fmt.Append(nil, n))
	signature, err := ecdsa.SignASN1(rand.Reader, i.key, digest[:])
	if err != nil {
		return err
	}
	_, err = client.Rekor{URL: i.URL, HTTP: h}.Add(ctx, rekor.HashedRekord{
		Digest: digest[:], Signature: signature, Verifier: rekor.Verifier{Certificate: cert.Raw, KeyDetails: "PKIX_ECDSA_P256_SHA_256"},
	})
	return err
}

// TestMalformedEntry checks that an entry in the tree that is no canonical body is found.
func TestMalformedEntry(t *testing.T) {
	t.Parallel()
	m := newMade(t, 3, 5)
	m.keys[0].Format = logread.Rekor()
	r := check(t, m.log())
	if len(r.Findings) != 3 || r.Findings[0].Kind != logread.Malformed {
		t.Errorf("found %v", r.Findings)
	}
	if _, err := (&logread.Log{Source: logread.Dir(m.dir)}).Head(t.Context()); !errors.Is(err, logread.ErrUnknown) {
		t.Errorf("without keys: %v", err)
	}
}
