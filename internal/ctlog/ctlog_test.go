// SPDX-License-Identifier: Apache-2.0

package ctlog

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/internal/tilelog"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/sct"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

const origin = "ct.example.com"

// An authority issues certificates through a log, as package ca does.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) authority {
	t.Helper()
	key := testkit.P256(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{"example"}},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key}
}

func (a authority) create(t testing.TB, serial int64, subject crypto.PublicKey, ext ...pkix.Extension) []byte {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), EmailAddresses: []string{"alice@example.com"},
		NotBefore: time.Unix(1764000000, 0), NotAfter: time.Unix(1764000600, 0), ExtraExtensions: ext,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, subject, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func poison() pkix.Extension {
	return pkix.Extension{Id: sct.OIDPoison(), Critical: true, Value: []byte{5, 0}}
}

func testOptions(t testing.TB) Options {
	t.Helper()
	return Options{
		Dir: filepath.Join(t.TempDir(), "ct"), Origin: origin, Key: testkit.P256(t), Clock: time.Now,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

func mustNew(t testing.TB, o Options) *Log {
	t.Helper()
	l, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(context.Background()) })
	return l
}

func mustClose(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, l *Log, path, contentType string) []byte {
	t.Helper()
	w := httptest.NewRecorder()
	l.Handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	if w.Code != 200 || w.Header().Get("Content-Type") != contentType {
		t.Fatalf("%s: %d %s", path, w.Code, w.Header().Get("Content-Type"))
	}
	return w.Body.Bytes()
}

// awaitCheckpoint waits for the published checkpoint of size.
func awaitCheckpoint(t testing.TB, l *Log, o Options, size uint64) checkpoint.Checkpoint {
	t.Helper()
	v, err := checkpoint.NewTreeHeadVerifier(origin, o.Key.Public())
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		c, _, err := checkpoint.Open(get(t, l, "/ct/checkpoint", "text/plain; charset=utf-8"), v)
		if err != nil {
			t.Fatal(err)
		}
		if c.Size == size {
			return c
		}
		if time.Now().After(deadline) {
			t.Fatalf("checkpoint of size %d, want %d", c.Size, size)
		}
	}
}

// TestAddPrecert checks the issuance of a certificate: precertificate, timestamp, final
// certificate, and the entry at the timestamp's leaf_index in the published log.
func TestAddPrecert(t *testing.T) {
	o, a := testOptions(t), newAuthority(t)
	l := mustNew(t, o)
	subject := testkit.P256(t).Public()
	var stamps []sct.SCT
	for serial := range int64(3) {
		s, err := l.AddPrecert(t.Context(), a.create(t, serial+2, subject, poison()), []*x509.Certificate{a.cert})
		if err != nil {
			t.Fatal(err)
		}
		stamps = append(stamps, s)
	}
	c := awaitCheckpoint(t, l, o, 3)
	hashes := get(t, l, "/ct/tile/0/000.p/3", "application/octet-stream")
	rest := get(t, l, "/ct/tile/data/000.p/3", "application/octet-stream")
	for i, s := range stamps {
		list, err := sct.MarshalList([]sct.SCT{s})
		if err != nil {
			t.Fatal(err)
		}
		final, err := x509.ParseCertificate(a.create(t, int64(i)+2, subject, pkix.Extension{Id: sct.OIDList(), Value: list}))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Verify(final, a.cert, o.Key.Public()); err != nil {
			t.Errorf("%d: %v", i, err)
		}
		if index, ok, err := sct.ParseLeafIndex(s.Extensions); index != uint64(i) || !ok || err != nil {
			t.Errorf("leaf_index %d, %v, %v", index, ok, err)
		}
		var leaf sct.Leaf
		if leaf, rest, err = sct.ParseLeaf(rest); err != nil {
			t.Fatal(err)
		}
		if leaf.Timestamp != s.Timestamp || leaf.Chain[0] != sha256.Sum256(a.cert.Raw) {
			t.Errorf("entry %+v", leaf)
		}
		if err := s.VerifyEntry(leaf.Entry, o.Key.Public()); err != nil {
			t.Errorf("timestamp is not of the entry: %v", err)
		}
		merkle, err := leaf.MerkleTreeLeaf()
		if err != nil {
			t.Fatal(err)
		}
		if want := tile.LeafHash(merkle); !bytes.Equal(hashes[i*32:][:32], want[:]) {
			t.Errorf("leaf hash %d differs", i)
		}
	}
	h := func(i int) tlog.Hash { return tlog.Hash(hashes[i*32:][:32]) }
	if tlog.NodeHash(tlog.NodeHash(h(0), h(1)), h(2)) != c.Root {
		t.Error("leaves don't lead to the checkpoint's root")
	}
	fingerprint := sha256.Sum256(a.cert.Raw)
	if der := get(t, l, "/ct/issuer/"+hex.EncodeToString(fingerprint[:]), "application/pkix-cert"); !bytes.Equal(der, a.cert.Raw) {
		t.Error("another issuer is served")
	}
}

func TestReopen(t *testing.T) {
	o, a := testOptions(t), newAuthority(t)
	subject := testkit.P256(t).Public()
	for i := range uint64(300) {
		if i%100 == 0 {
			l := mustNew(t, o)
			for j := range uint64(100) {
				s, err := l.AddPrecert(t.Context(), a.create(t, int64(i+j)+2, subject, poison()), []*x509.Certificate{a.cert})
				if err != nil {
					t.Fatal(err)
				}
				if index, _, err := sct.ParseLeafIndex(s.Extensions); index != i+j || err != nil {
					t.Fatalf("leaf_index %d, %v, want %d", index, err, i+j)
				}
			}
			mustClose(t, l)
		}
	}
	if l := mustNew(t, o); l.Size() != 300 {
		t.Errorf("size %d", l.Size())
	}
}

func TestConcurrentPrecerts(t *testing.T) {
	o, a := testOptions(t), newAuthority(t)
	l := mustNew(t, o)
	precert := a.create(t, 2, testkit.P256(t).Public(), poison())
	var indices sync.Map
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			s, err := l.AddPrecert(t.Context(), precert, []*x509.Certificate{a.cert})
			if err != nil {
				t.Error(err)
				return
			}
			index, _, err := sct.ParseLeafIndex(s.Extensions)
			if _, taken := indices.LoadOrStore(index, true); taken || err != nil {
				t.Errorf("index %d twice, %v", index, err)
			}
		})
	}
	wg.Wait()
	if l.Size() != 64 {
		t.Errorf("size %d", l.Size())
	}
}

func TestAddPrecertRefuses(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	l := mustNew(t, testOptions(t))
	chain := []*x509.Certificate{a.cert}
	subject := testkit.P256(t).Public()
	stranger := *other.cert
	stranger.RawSubject = []byte("another name")
	uncritical := poison()
	uncritical.Critical = false
	for name, c := range map[string]struct {
		precert []byte
		chain   []*x509.Certificate
	}{
		"garbage":           {[]byte("x"), chain},
		"no chain":          {a.create(t, 2, subject, poison()), nil},
		"another issuer":    {a.create(t, 2, subject, poison()), []*x509.Certificate{&stranger}},
		"no poison":         {a.create(t, 2, subject), chain},
		"poison uncritical": {a.create(t, 2, subject, uncritical), chain},
		"trailing data":     {append(a.create(t, 2, subject, poison()), 0), chain},
	} {
		if s, err := l.AddPrecert(t.Context(), c.precert, c.chain); err == nil {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if l.Size() != 0 {
		t.Errorf("%d refused entries were logged", l.Size())
	}
	mustClose(t, l)
	if _, err := l.AddPrecert(t.Context(), a.create(t, 2, subject, poison()), chain); !errors.Is(err, tilelog.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestHandlerServesNothingElse(t *testing.T) {
	o := testOptions(t)
	l := mustNew(t, o)
	if err := os.WriteFile(filepath.Join(o.Dir, "issuer", "secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"/", "/ct", "/ct/", "/checkpoint", "/ct/journal", "/ct/lock", "/ct/v1/add-pre-chain", "/ct/v1/get-sth", "/ct/tile/entries/000",
		"/ct/issuer/", "/ct/issuer/secret", "/ct/issuer/..%2fjournal", "/ct/issuer/" + hex.EncodeToString(make([]byte, 32)),
		"/ct/issuer/" + string(bytes.Repeat([]byte("A"), 64)),
	} {
		w := httptest.NewRecorder()
		l.Handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != 404 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	w := httptest.NewRecorder()
	l.Handler().ServeHTTP(w, httptest.NewRequest("POST", "/ct/checkpoint", nil))
	if w.Code != 405 {
		t.Errorf("POST: %d", w.Code)
	}
}

func TestKeysRefused(t *testing.T) {
	o := testOptions(t)
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	o.Key = key
	if _, err := New(o); !errors.Is(err, sigalg.ErrUnknown) {
		t.Errorf("Ed25519: %v", err)
	}
}

// TestClockNeverGoesBack checks that timestamps don't decrease when the wall clock is set back.
func TestClockNeverGoesBack(t *testing.T) {
	times := []int64{100, 200, 150, 50, 201}
	c := &clock{now: func() time.Time {
		next := times[0]
		times = times[1:]
		return time.UnixMilli(next)
	}}
	for _, want := range []int64{100, 200, 200, 200, 201} {
		if got := c.Now().UnixMilli(); got != want {
			t.Errorf("%d, want %d", got, want)
		}
	}
}

// BenchmarkAddPrecert measures AddPrecert with 64 callers, as under load.
func BenchmarkAddPrecert(b *testing.B) {
	a := newAuthority(b)
	l := mustNew(b, testOptions(b))
	precert := a.create(b, 2, testkit.P256(b).Public(), poison())
	b.SetParallelism(32)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := l.AddPrecert(b.Context(), precert, []*x509.Certificate{a.cert}); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "precerts/s")
}
