// SPDX-License-Identifier: Apache-2.0

package ca

import (
	"context"
	"encoding/binary"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/wire/fulcio"
	"github.com/hallmark-sign/hallmark/wire/rpcstatus"
)

const otherToken = goodToken + "-of-bob"

// bob replaces the tokens by those of another account. bob has obtained another person's
// certificate request, whose challenge bob can't sign.
func bob(i *instance) {
	other := alice()
	other.Subject.Value = "bob@example.com"
	i.options.Tokens.(tokens)[otherToken] = is(other)
}

// published waits until the CT log has published that many entries, as it has when it is
// reopened.
func (i *instance) published(t *testing.T, want int) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		got := 0
		for _, err := range i.ct.Recent(t.Context(), time.Time{}) {
			if err != nil {
				t.Fatal(err)
			}
			got++
		}
		if got == want {
			return
		}
	}
	t.Fatal("the CT log has not published")
}

// parsed returns a request as the authority reads it.
func parsed(t *testing.T, r fulcio.Request) fulcio.Request {
	t.Helper()
	p, err := fulcio.ParseRequest([]byte(marshal(t, r)))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestKeyOfAnother checks that a key certified for one identity is not certified for another
// while that certificate is valid, also after a restart, for any sender of the certificate
// request. The same identity gets another certificate, and after the end of validity any
// identity does.
func TestKeyOfAnother(t *testing.T) {
	i := newInstance(t, testkit.P256(t))
	bob(i)
	r := csrRequest(t, testkit.P256(t))
	stolen := r
	stolen.Token = otherToken
	i.mustIssue(t, r)
	i.mustIssue(t, r)
	checkRefusal(t, "the key of another", i.post(t, "/api/v2/signingCert", marshal(t, stolen)), http.StatusConflict, rpcstatus.FailedPrecondition)

	i.published(t, 2)
	restarted, err := New(i.options)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := restarted.issue(t.Context(), parsed(t, r), otherToken); !errors.Is(err, errClaimed) {
		t.Errorf("after a restart: %v", err)
	}
	if _, err := restarted.issue(t.Context(), parsed(t, r), goodToken); err != nil {
		t.Errorf("after a restart, the same identity: %v", err)
	}
	i.now = i.now.Add(lifetime - 2*time.Second)
	if _, err := restarted.issue(t.Context(), parsed(t, r), otherToken); !errors.Is(err, errClaimed) {
		t.Errorf("until its certificate ends: %v", err)
	}
	i.now = i.now.Add(3 * time.Second)
	if _, err := restarted.issue(t.Context(), parsed(t, r), otherToken); err != nil {
		t.Errorf("once it has ended: %v", err)
	}
}

// TestRecallsManyKeys checks that more entries than one tile of the CT log are read back, and
// expired ones are not.
func TestRecallsManyKeys(t *testing.T) {
	i := newInstance(t, testkit.P256(t))
	bob(i)
	first := csrRequest(t, testkit.P256(t))
	i.mustIssue(t, first)
	for range 300 {
		i.mustIssue(t, csrRequest(t, testkit.P256(t)))
	}
	i.published(t, 301)
	for _, c := range []struct {
		age  time.Duration
		want error
	}{{0, errClaimed}, {lifetime + time.Minute, nil}} {
		i.now = time.Now().Add(c.age)
		a, err := New(i.options)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.issue(t.Context(), parsed(t, first), otherToken); !errors.Is(err, c.want) {
			t.Errorf("%v later: %v", c.age, err)
		}
	}
}

// TestClaimsAtOnce checks that of two identities that send one key concurrently, one gets a
// certificate.
func TestClaimsAtOnce(t *testing.T) {
	i := newInstance(t, testkit.P256(t))
	bob(i)
	for range 20 {
		r := parsed(t, csrRequest(t, testkit.P256(t)))
		var wg sync.WaitGroup
		var refused atomic.Int32
		for _, token := range []string{goodToken, otherToken} {
			wg.Go(func() {
				if _, err := i.issue(context.Background(), r, token); errors.Is(err, errClaimed) {
					refused.Add(1)
				} else if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if refused.Load() != 1 {
			t.Fatalf("%d of 2 refused", refused.Load())
		}
	}
}

// TestClaimsAreBounded checks that keys are forgotten with their certificates, so that memory
// is bounded.
func TestClaimsAreBounded(t *testing.T) {
	var c claims
	now := time.Now()
	name := func(n uint64) (out [16]byte) { binary.BigEndian.PutUint64(out[:], n); return out }
	c.turn(now)
	for n := range uint64(maxClaims) {
		c.young[name(n)] = claim{until: now.Add(lifetime).Unix()}
	}
	key := testkit.P256(t).Public()
	take := func() error { return c.take(key, identity.Identity{}, now, now.Add(lifetime)) }
	if err := take(); !errors.Is(err, errClaims) {
		t.Errorf("one key too many: %v", err)
	}
	now = now.Add(lifetime)
	if err := take(); !errors.Is(err, errClaims) {
		t.Errorf("while they may live: %v", err)
	}
	now = now.Add(lifetime)
	if err := take(); err != nil {
		t.Errorf("once they have ended: %v", err)
	}
	if got := len(c.young) + len(c.old); got != 1 {
		t.Errorf("%d remembered", got)
	}
}
