// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"
)

func TestLimiter(t *testing.T) {
	now := time.Now()
	l := NewLimiter("attempts", Rate{Burst: 3, Pause: time.Minute}, func() time.Time { return now })
	for range 3 {
		if err := l.Take("a"); err != nil {
			t.Fatal(err)
		}
	}
	throttled := new(Throttled)
	if err := l.Take("a"); !errors.As(err, &throttled) || throttled.Wait != time.Minute {
		t.Errorf("the fourth: %v", err)
	}
	if err := errors.Join(l.Take("b"), l.Take(""), (*Limiter)(nil).Take("a")); err != nil {
		t.Errorf("others: %v", err)
	}
	l.Return("a")
	if err := l.Take("a"); err != nil {
		t.Errorf("one given back: %v", err)
	}
	now = now.Add(time.Minute + time.Second)
	if err := l.Take("a"); err != nil {
		t.Errorf("a minute later: %v", err)
	}
	if err := l.Take("a"); err == nil {
		t.Error("a minute is one attempt")
	}
}

// TestLimiterIsBounded checks that a client with any number of keys neither fills memory nor
// regains attempts.
func TestLimiterIsBounded(t *testing.T) {
	l := NewLimiter("attempts", Rate{Burst: 3, Pause: time.Hour}, time.Now)
	for range 3 {
		l.Take("used up")
	}
	for n := range 3 * maxKeys {
		l.Take(fmt.Sprint(n))
	}
	if len(l.buckets) != maxKeys {
		t.Errorf("%d keys", len(l.buckets))
	}
	if l.Take("used up") == nil {
		t.Error("other keys displaced an exhausted one")
	}
}

func TestClient(t *testing.T) {
	proxies := Proxies{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/8")}
	for _, c := range []struct {
		proxies         Proxies
		peer, forwarded string
		key             string
	}{
		{nil, "192.0.2.1:1", "", "192.0.2.1"},
		{nil, "192.0.2.1:1", "198.51.100.1", "192.0.2.1"},
		{nil, "127.0.0.1:1", "198.51.100.1", ""},
		{nil, "[::1]:1", "", ""},
		{nil, "[::ffff:192.0.2.1]:1", "", "192.0.2.1"},
		{nil, "[2001:db8:1:2:3::4]:1", "", "2001:db8:1:2::/64"},
		{nil, "", "", "invalid IP"},
		{proxies, "127.0.0.1:1", "198.51.100.1", "198.51.100.1"},
		{proxies, "127.0.0.1:1", "203.0.113.9, 198.51.100.1, 10.1.1.1", "198.51.100.1"},
		{proxies, "127.0.0.1:1", "198.51.100.1, [2001:db8::1]:443", "2001:db8::/64"},
		{proxies, "127.0.0.1:1", "198.51.100.1, nonsense", "127.0.0.1"},
		{proxies, "127.0.0.1:1", "", "127.0.0.1"},
		{proxies, "127.0.0.1:1", "10.0.0.2", "10.0.0.2"},
		{proxies, "127.0.0.2:1", "198.51.100.1", "127.0.0.2"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := c.proxies.Client(r).Key(); got != c.key {
			t.Errorf("%s for %q: %q, want %q", c.peer, c.forwarded, got, c.key)
		}
	}
}
