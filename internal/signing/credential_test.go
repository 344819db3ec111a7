// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/hallmarktest"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/sign"
)

// A shortened is a certificate authority whose certificates expire soon, and that refuses the
// token after some requests.
type shortened struct {
	sign.Certifier
	left time.Duration // validity that is left of each certificate
	most int           // certificates
	keys []crypto.PublicKey
}

func (s *shortened) Certify(ctx context.Context, key crypto.Signer) ([]*x509.Certificate, error) {
	if len(s.keys) == s.most {
		return nil, fmt.Errorf("asking for a certificate: %w", &client.StatusError{Status: http.StatusUnauthorized, Message: "token expired"})
	}
	chain, err := s.Certifier.Certify(ctx, key)
	if err != nil {
		return nil, err
	}
	leaf := *chain[0]
	leaf.NotAfter = time.Now().Add(s.left)
	s.keys = append(s.keys, key.Public())
	return append([]*x509.Certificate{&leaf}, chain[1:]...), nil
}

// TestCredential checks that a run has one key and one certificate until its end is near,
// then others, and that a token that has ended is reported as such.
func TestCredential(t *testing.T) {
	instance := hallmarktest.New(t)
	authority := func(left time.Duration, most int) *shortened {
		return &shortened{Certifier: instance.Signer(t, "alice@example.com").Certifier, left: left, most: most}
	}
	long := authority(2*minLeft, 9)
	c := &credential{authority: long}
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			if key, chain, err := c.get(t.Context()); err != nil || !chain[0].PublicKey.(interface{ Equal(crypto.PublicKey) bool }).Equal(key.Public()) {
				t.Errorf("got %v, %v", chain, err)
			}
		})
	}
	asking.Wait()
	if len(long.keys) != 1 || c.made != 1 {
		t.Errorf("%d certificates for one run", len(long.keys))
	}

	short := authority(minLeft/2, 2)
	c = &credential{authority: short}
	for range 2 {
		if _, _, err := c.get(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if short.keys[0].(interface{ Equal(crypto.PublicKey) bool }).Equal(short.keys[1]) {
		t.Error("the renewed certificate is for the same key")
	}
	_, _, err := c.get(t.Context())
	var p *fault.Problem
	if !errors.As(err, &p) || p.Code != "token-expired" || p.Exit != fault.ExitUndecided {
		t.Errorf("got %v", err)
	}
	if _, _, err := (&credential{authority: authority(time.Hour, 0)}).get(t.Context()); err == nil || errors.As(err, &p) {
		t.Errorf("a token that is refused at once: %v", err)
	}
}
