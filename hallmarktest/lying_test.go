// SPDX-License-Identifier: Apache-2.0

package hallmarktest_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/hallmarktest"
	"github.com/hallmark-sign/hallmark/sign"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/fulcio"
	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/tile"
	"github.com/hallmark-sign/hallmark/wire/timestamp"
)

// Paths of the three services.
const (
	pathCA  = "/api/v2/signingCert"
	pathLog = "/api/v2/log/entries"
	pathTSA = "/api/v1/timestamp"
)

// A liar is a proxy between a client and an honest instance, which answers one path in
// its own way.
type liar struct {
	*hallmarktest.Instance
	url  string
	path string
	lie  func(l *liar, w http.ResponseWriter, r *http.Request, body []byte)
}

func newLiar(t *testing.T, honest *hallmarktest.Instance, path string, lie func(l *liar, w http.ResponseWriter, r *http.Request, body []byte)) *liar {
	t.Helper()
	l := &liar{Instance: honest, path: path, lie: lie}
	server := httptest.NewServer(l)
	t.Cleanup(server.Close)
	l.url = server.URL
	return l
}

// ServeHTTP lies at one path and passes the others on.
func (l *liar) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if r.URL.Path == l.path {
		l.lie(l, w, r, body)
		return
	}
	status, answer := l.ask(r, body)
	w.WriteHeader(status)
	w.Write(answer)
}

// ask passes a request on, with another body.
func (l *liar) ask(r *http.Request, body []byte) (int, []byte) {
	req, err := http.NewRequest(r.Method, l.URL+r.URL.Path, bytes.NewReader(body))
	if err != nil {
		return 0, nil
	}
	req.Header = r.Header.Clone()
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, answer
}

// attempt signs by way of the liar and verifies, as the command does before it
// writes a bundle.
func (l *liar) attempt(t *testing.T) error {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	h := client.NewHTTP(2*time.Second, nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	b, err := sign.Signer{
		Key:          key,
		Certifier:    client.Fulcio{URL: l.url, Token: l.Token(t, alice), HTTP: h},
		Timestampers: []sign.Timestamper{client.TSA{URL: l.url + pathTSA, HTTP: h}},
		Logs:         []sign.Log{client.Rekor{URL: l.url, HTTP: h}},
	}.Message(ctx, strings.NewReader("artifact"))
	if err != nil {
		return err
	}
	if _, err := b.Marshal(); err != nil {
		return err
	}
	_, err = judge(t, l.Instance, b, verify.FromReader(strings.NewReader("artifact")))
	return err
}

// says returns one response to every request.
func says(status int, body string) func(*liar, http.ResponseWriter, *http.Request, []byte) {
	return func(_ *liar, w http.ResponseWriter, _ *http.Request, _ []byte) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// changes returns the honest response after a change.
func changes(edit func(answer []byte) []byte) func(*liar, http.ResponseWriter, *http.Request, []byte) {
	return func(l *liar, w http.ResponseWriter, r *http.Request, body []byte) {
		status, answer := l.ask(r, body)
		w.WriteHeader(status)
		w.Write(edit(answer))
	}
}

// asks returns the honest response to a changed request.
func asks(edit func(request []byte) []byte) func(*liar, http.ResponseWriter, *http.Request, []byte) {
	return func(l *liar, w http.ResponseWriter, r *http.Request, body []byte) {
		status, answer := l.ask(r, edit(body))
		w.WriteHeader(status)
		w.Write(answer)
	}
}

// endless writes until the client disconnects.
func endless(status int) func(*liar, http.ResponseWriter, *http.Request, []byte) {
	return func(_ *liar, w http.ResponseWriter, _ *http.Request, _ []byte) {
		w.WriteHeader(status)
		for block := bytes.Repeat([]byte(" "), 64<<10); ; {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}
}

// TestHonestProxy checks that signing through an unmodified proxy works, so that the other
// tests fail for the intended reason.
func TestHonestProxy(t *testing.T) {
	t.Parallel()
	if err := newLiar(t, hallmarktest.New(t), "", nil).attempt(t); err != nil {
		t.Fatal(err)
	}
}

// refused checks that signing and verifying fail with a liar at path.
func refused(t *testing.T, path string, lies map[string]func(*liar, http.ResponseWriter, *http.Request, []byte)) {
	t.Helper()
	t.Parallel()
	honest := hallmarktest.New(t)
	for name, lie := range lies {
		err := newLiar(t, honest, path, lie).attempt(t)
		if err == nil {
			t.Errorf("%s: signed", name)
			continue
		}
		t.Logf("%s: %v", name, err)
		if strings.ContainsAny(err.Error(), "\x1b\n") || strings.Contains(err.Error(), "eyJ") || len(err.Error()) > 1000 {
			t.Errorf("%s: the error quotes too much: %.2000q", name, err.Error())
		}
	}
}

// general returns lies that any service can tell.
func general(t *testing.T, status int) map[string]func(*liar, http.ResponseWriter, *http.Request, []byte) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("a redirect was followed, with %q", r.Header.Get("Authorization"))
	}))
	t.Cleanup(elsewhere.Close)
	return map[string]func(*liar, http.ResponseWriter, *http.Request, []byte){
		"nothing": says(status, ""), "no answer": says(status, "hello"), "null": says(status, "null"), "empty object": says(status, "{}"),
		"deep": says(status, strings.Repeat("[", 500_000)), "another status": says(202, ""), "refused": says(400, `{"message":"no\u001b[2J"}`),
		"endless": endless(status), "endless refusal": endless(400),
		"a redirect": func(_ *liar, w http.ResponseWriter, r *http.Request, _ []byte) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		},
		"cut off": func(_ *liar, w http.ResponseWriter, _ *http.Request, _ []byte) {
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(status)
			io.WriteString(w, "{")
		},
		"later": func(_ *liar, w http.ResponseWriter, _ *http.Request, _ []byte) {
			w.Header().Set("Retry-After", "65535")
			w.WriteHeader(503)
		},
		"trailing data": changes(func(a []byte) []byte { return append(a, "{}"...) }),
		"cut":           changes(func(a []byte) []byte { return a[:len(a)/2] }),
	}
}

func TestLyingAuthority(t *testing.T) {
	lies := general(t, 200)
	other := hallmarktest.New(t)
	// A certificate for the liar's key, by the authority, with the token that the
	// client has sent.
	lies["another key"] = func(l *liar, w http.ResponseWriter, r *http.Request, _ []byte) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return
		}
		_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		chain, err := client.Fulcio{URL: l.URL, Token: token, HTTP: http.DefaultClient}.Certify(r.Context(), key)
		if err != nil {
			t.Error(err)
			return
		}
		answer, err := fulcio.MarshalResponse(chain)
		if err != nil {
			t.Error(err)
		}
		w.Write(answer)
	}
	// The client's own key and proof, by the authority of another instance.
	lies["another authority"] = func(_ *liar, w http.ResponseWriter, r *http.Request, body []byte) {
		l := &liar{Instance: other}
		r.Header.Set("Authorization", "Bearer "+other.Token(t, alice))
		status, answer := l.ask(r, body)
		if status != 200 {
			t.Errorf("%d %s", status, answer)
		}
		w.Write(answer)
	}
	lies["the authority itself"] = func(l *liar, w http.ResponseWriter, _ *http.Request, _ []byte) {
		answer, err := fulcio.MarshalResponse(l.Root.CertificateAuthorities[0].Chain)
		if err != nil {
			t.Error(err)
		}
		w.Write(answer)
	}
	lies["one bit"] = changes(func(a []byte) []byte { return bytes.Replace(a, []byte("MII"), []byte("MIJ"), 1) })
	refused(t, pathCA, lies)
}

// TestLyingAuthorityReplays replaces the certificate of a key by an older one of the same
// identity.
func TestLyingAuthorityReplays(t *testing.T) {
	var first []byte
	refused(t, pathCA, map[string]func(*liar, http.ResponseWriter, *http.Request, []byte){
		"an old answer": func(l *liar, w http.ResponseWriter, r *http.Request, _ []byte) {
			if first == nil {
				key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
				if err != nil {
					return
				}
				_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
				proof, err := fulcio.SignProof(rand.Reader, key, alice)
				if err != nil {
					return
				}
				other, err := fulcio.Request{Token: token, PublicKey: key.Public(), ProofOfPossession: proof}.Marshal()
				if err != nil {
					return
				}
				_, first = l.ask(r, other)
			}
			w.Write(first)
		},
	})
}

// entryOf responds with a changed entry: edit changes the honest one.
func entryOf(t *testing.T, edit func(l *liar, r *http.Request, e *rekor.Entry)) func(*liar, http.ResponseWriter, *http.Request, []byte) {
	return func(l *liar, w http.ResponseWriter, r *http.Request, body []byte) {
		_, answer := l.ask(r, body)
		e, err := rekor.ParseEntry(answer)
		if err != nil {
			t.Error(err)
			return
		}
		edit(l, r, &e)
		if answer, err = e.Marshal(); err != nil {
			return // the liar can't say it
		}
		w.WriteHeader(201)
		w.Write(answer)
	}
}

// another returns an entry of another signature, in the same log.
func another(t *testing.T, l *liar) rekor.Entry {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b, err := sign.Signer{Key: key, Logs: []sign.Log{client.Rekor{URL: l.URL, HTTP: http.DefaultClient}}}.Message(t.Context(), strings.NewReader("artifact"))
	if err != nil {
		t.Fatal(err)
	}
	return b.Entries[0]
}

func TestLyingLog(t *testing.T) {
	lies := general(t, 201)
	forger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(l *liar, r *http.Request, e *rekor.Entry){
		"another signature":        func(l *liar, _ *http.Request, e *rekor.Entry) { *e = another(t, l) },
		"another's proof":          func(l *liar, _ *http.Request, e *rekor.Entry) { e.Proof = another(t, l).Proof },
		"another's body":           func(l *liar, _ *http.Request, e *rekor.Entry) { e.CanonicalizedBody = another(t, l).CanonicalizedBody },
		"another index":            func(_ *liar, _ *http.Request, e *rekor.Entry) { e.LogIndex++; e.Proof.Index++ },
		"a larger tree":            func(_ *liar, _ *http.Request, e *rekor.Entry) { e.Proof.Size++ },
		"another root":             func(_ *liar, _ *http.Request, e *rekor.Entry) { e.Proof.Root[0] ^= 1 },
		"no checkpoint":            func(_ *liar, _ *http.Request, e *rekor.Entry) { e.Proof.Checkpoint = nil },
		"no proof":                 func(_ *liar, _ *http.Request, e *rekor.Entry) { e.Proof = nil },
		"checkpoint of the CT log": func(l *liar, _ *http.Request, e *rekor.Entry) { e.Proof.Checkpoint = fetch(t, l.URL+"/ct/checkpoint") },
		"another log's identifier": func(_ *liar, _ *http.Request, e *rekor.Entry) { e.LogID = bytes.Repeat([]byte{1}, 32) },
		"a tree of its own": func(_ *liar, _ *http.Request, e *rekor.Entry) {
			// One leaf, the root is its hash, signed by another key under the log's name.
			origin, _, _ := strings.Cut(string(e.Proof.Checkpoint), "\n")
			signer, err := checkpoint.NewSigner(origin, forger)
			if err != nil {
				t.Error(err)
				return
			}
			root := tile.LeafHash(e.CanonicalizedBody)
			e.LogIndex, e.Proof.InclusionProof, e.Proof.Root = 0, tile.InclusionProof{Size: 1}, root
			e.Proof.Checkpoint, err = checkpoint.Sign(checkpoint.Checkpoint{Origin: origin, Size: 1, Root: root}, signer)
			if err != nil {
				t.Error(err)
			}
		},
	} {
		lies[name] = entryOf(t, edit)
	}
	refused(t, pathLog, lies)
}

func fetch(t *testing.T, url string) []byte {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return body
}

func TestLyingTimestampAuthority(t *testing.T) {
	lies := general(t, 201)
	other := hallmarktest.New(t)
	request := func(t *testing.T, edit func(r *timestamp.Request)) func([]byte) []byte {
		return func(body []byte) []byte {
			r, err := timestamp.ParseRequest(body)
			if err != nil {
				t.Error(err)
				return nil
			}
			edit(&r)
			der, err := r.Marshal()
			if err != nil {
				t.Error(err)
			}
			return der
		}
	}
	lies["another nonce"] = asks(request(t, func(r *timestamp.Request) { r.Nonce = new(big.Int).Add(r.Nonce, big.NewInt(1)) }))
	lies["no nonce"] = asks(request(t, func(r *timestamp.Request) { r.Nonce = nil }))
	lies["another imprint"] = asks(request(t, func(r *timestamp.Request) {
		sum := sha256.Sum256([]byte("another"))
		r.Imprint = sum[:]
	}))
	lies["another authority"] = func(_ *liar, w http.ResponseWriter, r *http.Request, body []byte) {
		status, answer := (&liar{Instance: other}).ask(r, body)
		w.WriteHeader(status)
		w.Write(answer)
	}
	// The time is signed: one more second breaks it.
	lies["another time"] = changes(func(a []byte) []byte {
		at := bytes.Index(a, []byte("\x18\x0f20"))
		if at < 0 {
			t.Error("no time in the answer")
			return a
		}
		a[at+2] = '1' // 1026, or so
		return a
	})
	var first []byte
	lies["an old answer"] = func(l *liar, w http.ResponseWriter, r *http.Request, body []byte) {
		if first == nil {
			_, first = l.ask(r, request(t, func(r *timestamp.Request) { r.Nonce = big.NewInt(1) })(body))
		}
		w.WriteHeader(201)
		w.Write(first)
	}
	rejection, err := timestamp.MarshalRejection(timestamp.BadRequest, "no\x1b[2J")
	if err != nil {
		t.Fatal(err)
	}
	lies["rejected with 201"] = says(201, string(rejection))
	delete(lies, "refused") // its text is a rejection's
	refused(t, pathTSA, lies)
}

// TestLiesAreNotUnavailable checks that invalid responses are distinguished from unavailable
// services.
func TestLiesAreNotUnavailable(t *testing.T) {
	t.Parallel()
	honest := hallmarktest.New(t)
	if err := newLiar(t, honest, pathCA, says(503, "")).attempt(t); !errors.Is(err, client.ErrUnavailable) {
		t.Errorf("503: %v", err)
	}
	if err := newLiar(t, honest, pathCA, says(401, "")).attempt(t); err == nil || errors.Is(err, client.ErrUnavailable) {
		t.Errorf("401: %v", err)
	}
}
