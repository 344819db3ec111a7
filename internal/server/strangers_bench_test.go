// SPDX-License-Identifier: Apache-2.0

//go:build linux

package server_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/client/login"
	"github.com/hallmark-sign/hallmark/internal/instance"
	"github.com/hallmark-sign/hallmark/internal/issuer"
	"github.com/hallmark-sign/hallmark/sign"
	"github.com/hallmark-sign/hallmark/wire/attestations"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

// BenchmarkStrangers prints how much memory a server process takes at most, and how long
// a signer and a monitor wait, while strangers hold all that they can. It is not
// repeated:
//
//	go test ./internal/server -run '^$' -bench Strangers -benchtime 1x
func BenchmarkStrangers(b *testing.B) {
	v := startAttacked(b)
	idle := v.peak(b)
	ctx, stop := context.WithCancel(b.Context())
	served := make(chan waits)
	go func() { served <- v.use(ctx) }()
	time.Sleep(2 * time.Second)
	phases := []struct {
		name   string
		attack func(*testing.B, *crowd)
	}{
		{"slow-readers", v.slowReaders},
		{"unfinished-posts", v.unfinishedPosts},
		{"idle-connections", v.idleConnections},
		{"evidence", v.evidence},
	}
	all := &crowd{target: v.address}
	for _, p := range phases {
		p.attack(b, all)
		time.Sleep(5 * time.Second)
		b.Logf("%s: %d connections made, peak %d MiB, now %d MiB", p.name, all.made, v.peak(b), v.status(b, "VmRSS:"))
	}
	stop()
	w := <-served
	all.leave()
	b.Logf("signed %d times, %d failed, longest %v; health asked %d times, %d failed, longest %v; %v", w.signed, w.unsigned, w.longest, w.healthy, w.unhealthy, w.longestHealth, w.last)
	b.ReportMetric(float64(idle), "MiB-before")
	b.ReportMetric(float64(v.peak(b)), "MiB-peak")
	b.ReportMetric(float64(w.unsigned), "signatures-failed")
	b.ReportMetric(float64(w.unhealthy), "health-failed")
	b.ReportMetric(w.longest.Seconds(), "s-longest-signature")
	b.ReportMetric(0, "ns/op")
}

// An attacked is a server process.
type attacked struct {
	dir, address, url string
	pid               int
	tiles             []string // the longest, of both logs
	bundles           string   // a digest that has as much as one may have
}

const alicePassword = "correct horse battery"

// startAttacked builds and starts hallmark serve with an instance of its own.
func startAttacked(b *testing.B) *attacked {
	b.Helper()
	program := filepath.Join(b.TempDir(), "hallmark")
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/hallmark").CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	v := &attacked{dir: filepath.Join(b.TempDir(), "instance"), address: l.Addr().String(), url: "http://" + l.Addr().String()}
	l.Close()
	v.make(b)
	cmd := exec.Command(program, "serve", "-c", v.dir)
	cmd.Env = append(os.Environ(), "HALLMARK_PASSPHRASE=a passphrase")
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			b.Errorf("%v: %.2000s", err, log.String())
		}
	})
	v.pid = cmd.Process.Pid
	for range 100 {
		if resp, err := http.Get(v.url + "/healthz"); err == nil {
			resp.Body.Close()
			v.tiles = []string{
				"/api/v2/" + longTile(b, filepath.Join(v.dir, "rekor"), tile.LevelEntries),
				"/ct/" + longTile(b, filepath.Join(v.dir, "ct"), tile.LevelData),
			}
			return v
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.Fatalf("not up: %s", log.String())
	return nil
}

func (v *attacked) make(b *testing.B) {
	b.Helper()
	i, err := instance.Create(v.dir, instance.Options{URL: v.url, Listen: v.address, Organization: "bench", Passphrase: []byte("a passphrase"), Now: time.Now()})
	if err != nil {
		b.Fatal(err)
	}
	i.Config.Evidence.Enabled = true
	settings, err := i.Config.Marshal()
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(v.dir, "hallmark.yaml"), settings, 0o644); err != nil {
		b.Fatal(err)
	}
	accounts, err := issuer.OpenAccounts(filepath.Join(v.dir, "issuer"))
	if err != nil {
		b.Fatal(err)
	}
	if err := accounts.Add("alice@example.com", []byte(alicePassword)); err != nil {
		b.Fatal(err)
	}
	digest := strings.Repeat("0", 64)
	dir := filepath.Join(v.dir, "evidence", "sha256", "00", digest)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	zeros := strings.Repeat("0", 16)
	for n := range 4 {
		name := fmt.Sprintf("%06d-%s-%d-none.json", n+1, zeros, n)
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, attestations.MaxBytes/4), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	v.bundles = "/api/v1/bundles/sha256:" + digest
}

// status returns the value of a line of the process' status, in MiB.
func (v *attacked) status(b *testing.B, line string) int {
	b.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", v.pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), line)
	kib, err := strconv.Atoi(strings.Fields(rest + " -")[0])
	if err != nil {
		b.Fatal(err)
	}
	return kib / 1024
}

func (v *attacked) peak(b *testing.B) int { return v.status(b, "VmHWM:") }

// A crowd is a set of connections that are held open, from all available addresses.
type crowd struct {
	target string

	mu    sync.Mutex // guards conns and made
	conns []net.Conn
	made  int
}

// open opens connections, each of which sends text.
func (c *crowd) open(n int, text func(k int) string) {
	var wg sync.WaitGroup
	turns := make(chan struct{}, 64)
	for k := range n {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			from := &net.TCPAddr{IP: net.IPv4(127, 0, byte(1+k%200), byte(1+k/200))}
			d := net.Dialer{LocalAddr: from, Timeout: 10 * time.Second}
			conn, err := d.Dial("tcp", c.target)
			if err != nil {
				return
			}
			if t, ok := conn.(*net.TCPConn); ok {
				t.SetReadBuffer(4096)
			}
			conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
			io.WriteString(conn, text(k)) // the server may hang up
			c.mu.Lock()
			defer c.mu.Unlock()
			c.conns = append(c.conns, conn)
			c.made++
		})
	}
	wg.Wait()
}

// leave closes them.
func (c *crowd) leave() {
	for _, conn := range c.conns {
		conn.Close()
	}
	c.conns = nil
}

func (v *attacked) slowReaders(_ *testing.B, c *crowd) {
	c.open(600, func(k int) string {
		return "GET " + v.tiles[k%len(v.tiles)] + " HTTP/1.1\r\nHost: x\r\n\r\n"
	})
}

func (v *attacked) unfinishedPosts(_ *testing.B, c *crowd) {
	paths := []string{"/api/v2/log/entries", "/api/v2/signingCert", v.bundles}
	c.open(3000, func(k int) string {
		length := 130_000
		if k%len(paths) == 1 {
			length = 65_000
		}
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%*s", paths[k%len(paths)], length, length-1, "")
	})
}

func (v *attacked) idleConnections(_ *testing.B, c *crowd) {
	c.open(10_000, func(int) string { return "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" })
}

func (v *attacked) evidence(_ *testing.B, c *crowd) {
	c.open(600, func(int) string { return "GET " + v.bundles + "?per_page=100 HTTP/1.1\r\nHost: x\r\n\r\n" })
	c.open(16, func(int) string {
		const length = 32 << 20
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n{\"bundle\":\"%*s\"}", v.bundles, length, length-13, "")
	})
}

// A waits holds the counts of responses and the longest waits of a signer and a monitor.
type waits struct {
	signed, unsigned, healthy, unhealthy int
	longest, longestHealth               time.Duration
	last                                 error
}

// use signs, and asks for the health, again and again.
func (v *attacked) use(ctx context.Context) (w waits) {
	h := client.NewHTTP(30*time.Second, nil)
	for ; ctx.Err() == nil; time.Sleep(200 * time.Millisecond) {
		begun := time.Now()
		if err := v.sign(ctx, h); err == nil {
			w.signed++
		} else if ctx.Err() == nil {
			w.unsigned, w.last = w.unsigned+1, err
		}
		w.longest = max(w.longest, time.Since(begun))
		begun = time.Now()
		resp, err := http.Get(v.url + "/healthz")
		if err == nil {
			resp.Body.Close()
		}
		if err == nil && resp.StatusCode == http.StatusOK {
			w.healthy++
		} else {
			w.unhealthy++
		}
		w.longestHealth = max(w.longestHealth, time.Since(begun))
	}
	return w
}

// sign logs in and signs something.
func (v *attacked) sign(ctx context.Context, h *http.Client) error {
	token, err := login.Password(ctx, login.Options{Issuer: v.url, ClientID: "sigstore"}, "alice@example.com", []byte(alicePassword))
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	s := sign.Signer{
		Key:          key,
		Certifier:    client.Fulcio{URL: v.url, Token: token, HTTP: h},
		Timestampers: []sign.Timestamper{client.TSA{URL: v.url + "/api/v1/timestamp", HTTP: h}},
		Logs:         []sign.Log{client.Rekor{URL: v.url, HTTP: h}},
	}
	_, err = s.Message(ctx, strings.NewReader(rand.Text()))
	return err
}
