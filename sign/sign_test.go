// SPDX-License-Identifier: Apache-2.0

package sign_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/sign"
	"github.com/hallmark-sign/hallmark/wire/dsse"
	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// Fakes of the services, whose responses do not matter here: hallmarktest has real ones.
type log func(context.Context, rekor.HashedRekord) (rekor.Entry, error)

func (f log) Add(ctx context.Context, h rekor.HashedRekord) (rekor.Entry, error) { return f(ctx, h) }

type timestamper func(context.Context, []byte) ([]byte, error)

func (f timestamper) Timestamp(ctx context.Context, sig []byte) ([]byte, error) { return f(ctx, sig) }

type certifier func() ([]*x509.Certificate, error)

func (f certifier) Certify(context.Context, crypto.Signer) ([]*x509.Certificate, error) { return f() }

// witnessed returns a log that accepts what a real one would: the signature must verify by
// digest with the named algorithm.
func witnessed(t *testing.T) log {
	return func(_ context.Context, h rekor.HashedRekord) (rekor.Entry, error) {
		if err := h.Verify(); err != nil {
			t.Errorf("a log would refuse this: %v", err)
		}
		return rekor.Entry{LogIndex: 7}, nil
	}
}

func generate(t *testing.T, make func() (crypto.Signer, error)) crypto.Signer {
	t.Helper()
	key, err := make()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func p256(t *testing.T) crypto.Signer {
	return generate(t, func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) })
}

// TestKeys checks that every kind of key signs messages and envelopes with its own algorithm
// and hash, so that a log can check the signature.
func TestKeys(t *testing.T) {
	for name, c := range map[string]struct {
		key  crypto.Signer
		hash crypto.Hash
	}{
		"P-256":    {p256(t), crypto.SHA256},
		"P-384":    {generate(t, func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P384(), rand.Reader) }), crypto.SHA384},
		"P-521":    {generate(t, func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P521(), rand.Reader) }), crypto.SHA512},
		"RSA 2048": {testkit.RSA(t, 2048), crypto.SHA256},
		"Ed25519":  {generate(t, func() (crypto.Signer, error) { _, k, err := ed25519.GenerateKey(rand.Reader); return k, err }), crypto.SHA512},
	} {
		s := sign.Signer{Key: c.key, Logs: []sign.Log{witnessed(t)}}
		b, err := s.Message(t.Context(), strings.NewReader("artifact"))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		h := c.hash.New()
		io.WriteString(h, "artifact")
		if b.Message.Hash != c.hash || string(b.Message.Digest) != string(h.Sum(nil)) || b.KeyHint == "" || b.Entries[0].LogIndex != 7 {
			t.Errorf("%s: got %+v", name, b)
		}
		e, err := s.Envelope(t.Context(), dsse.PayloadTypeInToto, []byte("{}"))
		if err != nil || e.Envelope.PayloadType != dsse.PayloadTypeInToto || string(e.Envelope.Payload) != "{}" {
			t.Errorf("%s: got %+v, %v", name, e, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	p224 := generate(t, func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P224(), rand.Reader) })
	if _, err := (sign.Signer{Key: p224}).Message(t.Context(), strings.NewReader("x")); !errors.Is(err, sigalg.ErrWeakKey) && !errors.Is(err, sigalg.ErrUnknown) {
		t.Errorf("P-224: got %v", err)
	}
	torn := iotest.ErrReader(errors.New("torn"))
	if _, err := (sign.Signer{Key: p256(t)}).Message(t.Context(), torn); err == nil || !strings.Contains(err.Error(), "torn") {
		t.Errorf("unreadable artifact: got %v", err)
	}
	for name, c := range map[string]certifier{
		"no certificate": func() ([]*x509.Certificate, error) { return nil, nil },
		"refused":        func() ([]*x509.Certificate, error) { return nil, errors.New("no") },
	} {
		if _, err := (sign.Signer{Key: p256(t), Certifier: c}).Message(t.Context(), strings.NewReader("x")); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
}

// TestFirstFailureEndsTheOthers checks that the first failure cancels all other calls, and is
// returned.
func TestFirstFailureEndsTheOthers(t *testing.T) {
	no := errors.New("no entry today")
	s := sign.Signer{
		Key:  p256(t),
		Logs: []sign.Log{log(func(context.Context, rekor.HashedRekord) (rekor.Entry, error) { return rekor.Entry{}, no })},
		Timestampers: []sign.Timestamper{timestamper(func(ctx context.Context, _ []byte) ([]byte, error) {
			<-ctx.Done() // for ever, unless canceled
			return nil, ctx.Err()
		})},
	}
	if _, err := s.Message(t.Context(), strings.NewReader("x")); !errors.Is(err, no) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.Logs = nil
	if _, err := s.Message(ctx, strings.NewReader("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

// TestOrder checks that responses are in the order of the services.
func TestOrder(t *testing.T) {
	answer := func(text string) timestamper {
		return func(context.Context, []byte) ([]byte, error) { return []byte(text), nil }
	}
	s := sign.Signer{Key: p256(t), Timestampers: []sign.Timestamper{answer("a"), answer("b"), answer("c")}}
	b, err := s.Message(t.Context(), strings.NewReader("x"))
	if err != nil || string(b.Timestamps[0])+string(b.Timestamps[1])+string(b.Timestamps[2]) != "abc" {
		t.Errorf("got %q, %v", b.Timestamps, err)
	}
}

// TestZeroSigner checks that a signer without a key returns an error that names the mistake.
func TestZeroSigner(t *testing.T) {
	_, message := sign.Signer{}.Message(t.Context(), strings.NewReader("artifact"))
	_, envelope := sign.Signer{}.Envelope(t.Context(), dsse.PayloadTypeInToto, []byte("{}"))
	for _, err := range []error{message, envelope} {
		if err == nil || !strings.Contains(err.Error(), "no Key") {
			t.Errorf("got %v", err)
		}
	}
}
