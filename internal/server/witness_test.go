// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-sign/hallmark/internal/durable/disktest"
	"github.com/hallmark-sign/hallmark/internal/server"
	"github.com/hallmark-sign/hallmark/internal/witness"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	wire "github.com/hallmark-sign/hallmark/wire/witness"
)

// TestWitnessForOperators checks /healthz and /metrics of a witness.
func TestWitnessForOperators(t *testing.T) {
	t.Parallel()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const origin = "log.example.com"
	log := checkpoint.Key{Name: origin, Public: public}
	disk := disktest.New(1)
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	w, err := witness.New(witness.Options{
		Dir: "/state", FS: disk, Name: "witness.example.com", Key: private, Logs: []checkpoint.Key{log}, Clock: time.Now, Logger: logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	s := httptest.NewServer(server.WitnessHandler(w, logger))
	defer s.Close()
	expect := func(path string, status int, texts ...string) {
		t.Helper()
		resp, body := get(t, s.URL+path)
		if resp.StatusCode != status {
			t.Errorf("%s: %s", path, resp.Status)
		}
		for _, text := range texts {
			if !strings.Contains(body, text) {
				t.Errorf("%s: no %q in %s", path, text, body)
			}
		}
	}
	signer, err := checkpoint.NewSigner(origin, private)
	if err != nil {
		t.Fatal(err)
	}
	cosign := func(size uint64) int {
		t.Helper()
		signed, err := checkpoint.Sign(checkpoint.Checkpoint{Origin: origin, Size: size, Root: tlog.RecordHash([]byte("leaf"))}, signer)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := wire.Request{Checkpoint: signed}.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.Post(s.URL+wire.Path, "text/plain", bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}

	expect("/healthz", 200, `{"status":"ok"}`)
	expect("/metrics", 200, `hallmark_witness_log_entries{log="log.example.com"} 0`, "hallmark_witness_failed 0")
	expect("/", 404)
	disk.Fail(func(disktest.Operation) error { return syscall.ENOSPC })
	if got := cosign(1); got != http.StatusServiceUnavailable {
		t.Errorf("on a full disk: %d", got)
	}
	expect("/healthz", 503, "can't be written down")
	expect("/metrics", 200, "hallmark_witness_failed 1", `hallmark_http_requests_total{method="POST",service="witness",status="503"} 1`)
	disk.Fail(nil)
	if got := cosign(1); got != http.StatusOK {
		t.Errorf("on a good disk: %d", got)
	}
	expect("/metrics", 200, `hallmark_witness_log_entries{log="log.example.com"} 1`)
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		resp, _ := get(t, s.URL+"/healthz")
		if resp.StatusCode == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the witness does not recover")
		}
	}
}
