package ca

import (
	"bytes"
	"context"
	"crypto/elliptic"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hallmark-sign/hallmark/wire/fulcio"
)

// clients is how many ask at once.
const clients = 64

// BenchmarkIssue: what a certificate costs, with its place in a CT log on disk.
func BenchmarkIssue(b *testing.B) {
	i := newInstance(b, newKey(b, elliptic.P256()))
	r := request(b, newKey(b, elliptic.P256()))
	b.SetParallelism(clients / 2)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := i.Issue(context.Background(), r, goodToken); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "certificates/s")
}

// BenchmarkServe: the same over sockets, clients included.
func BenchmarkServe(b *testing.B) {
	i := newInstance(b, newKey(b, elliptic.P256()))
	server := httptest.NewServer(i.Handler())
	defer server.Close()
	body := []byte(marshal(b, request(b, newKey(b, elliptic.P256()))))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	b.SetParallelism(clients / 2)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			resp, err := client.Post(server.URL+"/api/v2/signingCert", "application/json", bytes.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			answer, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != http.StatusOK {
				b.Errorf("%d, %v", resp.StatusCode, err)
			}
			if len(answer) > fulcio.MaxResponse {
				b.Error("long")
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "certificates/s")
}
