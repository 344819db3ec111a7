// SPDX-License-Identifier: Apache-2.0

package ca

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hallmark-sign/hallmark/internal/testkit"
)

// newBenchmark returns an instance with a CT log that is called directly.
func newBenchmark(b *testing.B) *instance {
	i := newInstance(b, testkit.P256(b))
	i.options.CTLog = i.ct
	var err error
	if i.Authority, err = New(i.options); err != nil {
		b.Fatal(err)
	}
	return i
}

// clients is the number of concurrent clients.
const clients = 64

// BenchmarkIssue measures the cost of a certificate, including its entry in a CT log on disk.
func BenchmarkIssue(b *testing.B) {
	i := newBenchmark(b)
	r := request(b, testkit.P256(b))
	b.SetParallelism(clients / 2)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := i.issue(context.Background(), r, goodToken); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "certificates/s")
}

// BenchmarkServe measures the same over sockets, including the clients.
func BenchmarkServe(b *testing.B) {
	i := newBenchmark(b)
	server := httptest.NewServer(i.Handler())
	defer server.Close()
	body := []byte(marshal(b, request(b, testkit.P256(b))))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	b.SetParallelism(clients / 2)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			resp, err := client.Post(server.URL+"/api/v2/signingCert", "application/json", bytes.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != http.StatusOK {
				b.Errorf("%d, %v", resp.StatusCode, err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "certificates/s")
}
