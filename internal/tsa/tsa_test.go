// SPDX-License-Identifier: Apache-2.0

package tsa

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/internal/ceremony"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/wire/timestamp"
)

// An instance is an authority on a real socket.
type instance struct {
	*Authority
	options Options
	url     string

	mu  sync.Mutex
	now time.Time // the clock's time
}

func (i *instance) clockNow() time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.now
}

func (i *instance) set(now time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.now = now
}

// newChain returns a certificate for key, valid for three years, under a root valid for ten.
func newChain(t testing.TB, key crypto.PublicKey, start time.Time) []*x509.Certificate {
	t.Helper()
	rootKey := testkit.Key(t, elliptic.P384())
	root, err := ceremony.Root(rootKey, "example.com", "Example root", trust.Validity{Start: start, End: start.AddDate(10, 0, 0)})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := ceremony.Timestamping(root, rootKey, key, "Example TSA", trust.Validity{Start: start, End: start.AddDate(3, 0, 0)})
	if err != nil {
		t.Fatal(err)
	}
	return []*x509.Certificate{leaf, root}
}

func newInstance(t testing.TB, key crypto.Signer) *instance {
	t.Helper()
	i := &instance{now: time.Now()}
	i.options = Options{
		Key: key, Chain: newChain(t, key.Public(), i.now.Add(-time.Hour)), Clock: i.clockNow,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	var err error
	if i.Authority, err = New(i.options); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(i.Handler())
	server.Config.MaxHeaderBytes = 16 << 20 // so that long headers reach the handler
	server.Start()
	t.Cleanup(server.Close)
	i.url = server.URL
	return i
}

func request(message string) timestamp.Request {
	digest := sha256.Sum256([]byte(message))
	return timestamp.Request{Hash: crypto.SHA256, Imprint: digest[:], Nonce: big.NewInt(7), CertReq: true}
}

func marshal(t testing.TB, r timestamp.Request) []byte {
	t.Helper()
	der, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// An answer is a response.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (i *instance) do(t testing.TB, method, path, contentType string, body io.Reader) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, i.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, content}
}

func (i *instance) post(t testing.TB, contentType string, body []byte) answer {
	t.Helper()
	return i.do(t, http.MethodPost, "/api/v1/timestamp", contentType, bytes.NewReader(body))
}

// mustStamp requests a token over the socket, and verifies the response as a client does.
func (i *instance) mustStamp(t testing.TB, contentType string, body []byte) *timestamp.Token {
	t.Helper()
	a := i.post(t, contentType, body)
	if a.status != http.StatusCreated || a.header.Get("Content-Type") != "application/timestamp-reply" {
		t.Fatalf("%d %.300q", a.status, a.body)
	}
	token, err := timestamp.ParseResponse(a.body)
	if err != nil {
		t.Fatal(err)
	}
	if err := token.VerifySignature(i.options.Chain[0]); err != nil {
		t.Fatal(err)
	}
	return token
}

func TestStamp(t *testing.T) {
	i := newInstance(t, testkit.P256(t))
	sigstore := asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2}
	for _, hash := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		for _, r := range []timestamp.Request{
			{Nonce: big.NewInt(1 << 40), CertReq: true},
			{Policy: sigstore},
			{Nonce: new(big.Int).Lsh(big.NewInt(1), 255), Policy: sigstore, CertReq: true},
		} {
			h := hash.New()
			h.Write([]byte("hello"))
			r.Hash, r.Imprint = hash, h.Sum(nil)
			token := i.mustStamp(t, "application/timestamp-query", marshal(t, r))
			if err := token.CheckImprint([]byte("hello")); err != nil {
				t.Error(err)
			}
			if (r.Nonce == nil) != (token.Nonce == nil) || r.Nonce != nil && r.Nonce.Cmp(token.Nonce) != 0 || !token.Policy.Equal(sigstore) {
				t.Errorf("nonce %v, policy %v for %+v", token.Nonce, token.Policy, r)
			}
			if want := i.now.UTC().Truncate(time.Second); !token.Time.Equal(want) {
				t.Errorf("time %v, want %v", token.Time, want)
			}
			if token.Serial.Sign() <= 0 || token.Serial.BitLen() != 159 {
				t.Errorf("serial number %v", token.Serial)
			}
			// The verifier has the root itself.
			if r.CertReq != (len(token.Certificates) == 1) || r.CertReq && !token.Certificates[0].Equal(i.options.Chain[0]) {
				t.Errorf("%d certificates for %+v", len(token.Certificates), r)
			}
		}
	}
}

func TestStampJSON(t *testing.T) {
	i := newInstance(t, testkit.Key(t, elliptic.P384()))
	body := `{"artifactHash":"LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=","hashAlgorithm":"sha256","certificates":true,"nonce":42,"tsaPolicyOID":"1.3.6.1.4.1.57264.2"}`
	token := i.mustStamp(t, "application/json; charset=utf-8", []byte(body))
	if err := token.CheckImprint([]byte("hello")); err != nil || token.Nonce.Int64() != 42 || len(token.Certificates) != 1 {
		t.Errorf("%v, %+v", err, token)
	}
}

func TestOwnPolicy(t *testing.T) {
	o := newInstance(t, testkit.P256(t)).options
	o.Policy = asn1.ObjectIdentifier{1, 2, 3, 4}
	a, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := a.stamp(request("hello"))
	if err != nil {
		t.Fatal(err)
	}
	if token, err := timestamp.ParseResponse(reply); err != nil || !token.Policy.Equal(o.Policy) {
		t.Errorf("%+v, %v", token, err)
	}
	r := request("hello")
	r.Policy = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2}
	if _, err := a.stamp(r); !errors.Is(err, errPolicy) {
		t.Errorf("another policy: %v", err)
	}
}

func TestCertChain(t *testing.T) {
	i := newInstance(t, testkit.P256(t))
	a := i.do(t, http.MethodGet, "/api/v1/timestamp/certchain", "", nil)
	if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/pem-certificate-chain" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	var chain []*x509.Certificate
	for block, rest := pem.Decode(a.body); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		chain = append(chain, cert)
	}
	if !slices.EqualFunc(chain, i.options.Chain, (*x509.Certificate).Equal) {
		t.Errorf("%s", a.body)
	}
}

// TestConcurrentStamps checks that serial numbers are unique, and that a request after a
// response never gets an earlier time.
func TestConcurrentStamps(t *testing.T) {
	i := newInstance(t, testkit.P256(t))
	start := i.clockNow()
	body := marshal(t, request("hello"))
	var mu sync.Mutex
	serials := map[string]bool{}
	var clients sync.WaitGroup
	for client := range 8 {
		clients.Go(func() {
			var last time.Time
			for n := range 20 {
				// A clock that jitters by less than maxStepBack.
				i.set(start.Add(time.Duration(n)*time.Second + time.Duration(client%2)*400*time.Millisecond))
				token, err := i.grant(body)
				if err != nil && !errors.Is(err, errClock) {
					t.Error(err)
				}
				if err != nil {
					continue
				}
				if token.Time.Before(last) {
					t.Errorf("%v after %v", token.Time, last)
				}
				last = token.Time
				mu.Lock()
				if serials[token.Serial.String()] {
					t.Error("serial number repeated")
				}
				serials[token.Serial.String()] = true
				mu.Unlock()
			}
		})
	}
	clients.Wait()
}

func (i *instance) grant(body []byte) (*timestamp.Token, error) {
	r, err := timestamp.ParseRequest(body)
	if err != nil {
		return nil, err
	}
	reply, err := i.stamp(r)
	if err != nil {
		return nil, err
	}
	return timestamp.ParseResponse(reply)
}

func TestClockGoesBack(t *testing.T) {
	i := newInstance(t, testkit.P256(t))
	base := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	o := i.options
	o.Chain = newChain(t, o.Key.Public(), base.Add(-time.Hour))
	o.Clock = i.clockNow
	i.set(base)
	a, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	for n, step := range []struct {
		clock, want time.Duration // since base; -1 for a refusal
	}{
		{0, 0}, {1500 * time.Millisecond, time.Second}, {time.Second, time.Second},
		{900 * time.Millisecond, time.Second}, // back by less than a second: the last time again
		{10 * time.Second, 10 * time.Second}, {9 * time.Second, 10 * time.Second},
		{8 * time.Second, -1}, {-time.Hour / 2, -1}, {8999 * time.Millisecond, -1},
		{9 * time.Second, 10 * time.Second}, {11 * time.Second, 11 * time.Second},
	} {
		i.set(base.Add(step.clock))
		reply, err := a.stamp(request("hello"))
		if step.want < 0 {
			if !errors.Is(err, errClock) {
				t.Errorf("step %d: %v", n, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("step %d: %v", n, err)
			continue
		}
		if token, err := timestamp.ParseResponse(reply); err != nil || !token.Time.Equal(base.Add(step.want)) {
			t.Errorf("step %d: %v, %v", n, token, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	key := testkit.P256(t)
	good := newInstance(t, key).options
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Options){
		"no key":         func(o *Options) { o.Key = nil },
		"no clock":       func(o *Options) { o.Clock = nil },
		"no logger":      func(o *Options) { o.Logger = nil },
		"no chain":       func(o *Options) { o.Chain = nil },
		"another's key":  func(o *Options) { o.Key = testkit.P256(t) },
		"RSA 1024":       func(o *Options) { o.Key = small },
		"no root":        func(o *Options) { o.Chain = o.Chain[:1] },
		"root alone":     func(o *Options) { o.Chain = o.Chain[1:] },
		"another's root": func(o *Options) { o.Chain = []*x509.Certificate{o.Chain[0], newChain(t, key.Public(), time.Now())[1]} },
		"a spare":        func(o *Options) { o.Chain = []*x509.Certificate{o.Chain[0], o.Chain[0], o.Chain[1]} },
		"expired":        func(o *Options) { o.Clock = func() time.Time { return time.Now().AddDate(4, 0, 0) } },
		"not yet valid":  func(o *Options) { o.Clock = func() time.Time { return time.Now().AddDate(-1, 0, 0) } },
	} {
		o := good
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
