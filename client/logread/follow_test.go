// SPDX-License-Identifier: Apache-2.0

package logread_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/client/logread"
)

// A followed collects the entries and checkpoints that Follow passes on.
type followed struct {
	indexes []uint64
	seen    []uint64 // sizes
	trouble int
}

func (f *followed) options(from, until uint64) logread.FollowOptions {
	return logread.FollowOptions{
		From: from, Until: until, Interval: time.Millisecond,
		Entry:  func(e logread.Entry) error { f.indexes = append(f.indexes, e.Index); return nil },
		Seen:   func(h *logread.Head) error { f.seen = append(f.seen, h.Size); return nil },
		Notice: func(error) { f.trouble++ },
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	m := newMade(t, 10, 5)
	l := m.served(t)
	var f followed
	o := f.options(3, 700)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	o.Seen = func(h *logread.Head) error { // the log grows while it is followed, and is away for a while
		f.seen = append(f.seen, h.Size)
		switch h.Size {
		case 10:
			m.grow(t, 300, 5)
		case 310:
			m.write(t, "elsewhere", nil)
			away := filepath.Join(m.dir, "checkpoint")
			if err := os.Rename(away, away+"-away"); err != nil {
				t.Error(err)
			}
		}
		return nil
	}
	o.Notice = func(error) {
		if f.trouble++; f.trouble == 1 { // it comes back once that was noticed
			m.grow(t, 390, 5)
		}
	}
	if err := l.Follow(ctx, o); err != nil {
		t.Fatal(err)
	}
	if len(f.indexes) != 697 || f.indexes[0] != 3 || f.indexes[696] != 699 || f.trouble == 0 {
		t.Errorf("%d entries, %d times in trouble", len(f.indexes), f.trouble)
	}
	for i, index := range f.indexes {
		if index != uint64(i)+3 {
			t.Fatalf("entry %d came as number %d", index, i)
		}
	}
}

// TestFollowRestarts checks that Follow continues after a server was unavailable and returns
// with more entries.
func TestFollowRestarts(t *testing.T) {
	t.Parallel()
	m := newMade(t, 10, 5)
	serve := func(address string) *httptest.Server {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Error(err)
			return nil
		}
		s := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.FileServer(http.Dir(m.dir))}}
		s.Start()
		t.Cleanup(s.Close)
		return s
	}
	s := serve("127.0.0.1:0")
	l := &logread.Log{Source: logread.HTTP{URL: s.URL, Client: client.NewHTTP(time.Second, nil)}, Keys: m.keys}
	var f followed
	o := f.options(0, 20)
	o.Seen = func(h *logread.Head) error {
		if h.Size == 10 {
			s.Close()
		}
		return nil
	}
	o.Notice = func(trouble error) {
		if f.trouble++; f.trouble == 1 {
			if !errors.Is(trouble, client.ErrUnavailable) {
				t.Errorf("in trouble: %v", trouble)
			}
			m.grow(t, 10, 5)
			serve(s.Listener.Addr().String())
		}
	}
	if err := l.Follow(t.Context(), o); err != nil || len(f.indexes) != 20 || f.trouble == 0 {
		t.Errorf("%d entries, %d times in trouble: %v", len(f.indexes), f.trouble, err)
	}
}

// TestFollowStale checks that Follow waits for a log that shows an older checkpoint, as a
// cache may, whether its tiles prove that it is the same log or are gone.
func TestFollowStale(t *testing.T) {
	t.Parallel()
	for name, tiles := range map[string]bool{"tiles there": true, "tiles gone": false} {
		t.Run(name, func(t *testing.T) {
			m := newMade(t, 100, 5)
			var f followed
			o := f.options(0, 110)
			o.Seen = func(h *logread.Head) error {
				if h.Size != 100 {
					return nil
				}
				m.show(t, 99)
				if tiles {
					return nil
				}
				return os.RemoveAll(filepath.Join(m.dir, "tile", "0"))
			}
			o.Notice = func(trouble error) {
				if f.trouble++; f.trouble == 3 {
					m.grow(t, 10, 5)
				}
				if !errors.Is(trouble, logread.ErrStale) {
					t.Errorf("in trouble: %v", trouble)
				}
			}
			if err := m.log().Follow(t.Context(), o); err != nil || len(f.indexes) != 110 || f.trouble < 3 {
				t.Errorf("%d entries, %d times in trouble: %v", len(f.indexes), f.trouble, err)
			}
		})
	}
}

// TestFollowForks checks a rewritten log that is longer, shorter or of the same size, within
// one run and between two.
func TestFollowForks(t *testing.T) {
	t.Parallel()
	rewritten := func(t *testing.T, size int) func(m *made) {
		return func(m *made) {
			m.leaves, m.bundle = nil, nil
			m.grow(t, size, 6)
		}
	}
	for name, change := range map[string]func(m *made){
		"grown":   rewritten(t, 300),
		"as long": rewritten(t, 100),
		"shorter": rewritten(t, 99),
	} {
		t.Run(name, func(t *testing.T) {
			m := newMade(t, 100, 5)
			last, err := m.log().Head(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var f followed
			o := f.options(0, 0)
			o.Seen = func(h *logread.Head) error {
				if h.Size == 100 && len(f.indexes) == 100 {
					change(m)
				}
				return nil
			}
			fork := new(logread.Fork)
			if err := m.log().Follow(t.Context(), o); !errors.As(err, &fork) || fork.Old.Size != 100 {
				t.Errorf("in one run: %v", err)
			}
			if len(f.indexes) != 100 {
				t.Errorf("%d entries were given", len(f.indexes))
			}
			o = f.options(100, 0)
			o.Last = last
			if err := m.log().Follow(t.Context(), o); !errors.As(err, &fork) || string(fork.Old.Envelope) != string(last.Envelope) {
				t.Errorf("between two: %v", err)
			}
		})
	}
}

func TestFollowEnds(t *testing.T) {
	t.Parallel()
	m := newMade(t, 10, 5)
	ctx, cancel := context.WithCancel(t.Context())
	var f followed
	o := f.options(0, 0)
	o.Seen = func(*logread.Head) error { cancel(); return nil }
	if err := m.log().Follow(ctx, o); !errors.Is(err, context.Canceled) || len(f.indexes) != 10 {
		t.Errorf("%v after %d entries", err, len(f.indexes))
	}
	full := errors.New("disk is full")
	o = f.options(0, 0)
	o.Entry = func(logread.Entry) error { return full }
	if err := m.log().Follow(t.Context(), o); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	m.write(t, "tile/entries/000.p/10", []byte("damaged"))
	if err := m.log().Follow(t.Context(), f.options(0, 0)); !errors.Is(err, logread.ErrDamaged) {
		t.Errorf("got %v", err)
	}
}
