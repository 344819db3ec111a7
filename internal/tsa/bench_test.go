// SPDX-License-Identifier: Apache-2.0

package tsa

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/hallmark-sign/hallmark/internal/testkit"
)

// clients is the number of concurrent clients.
const clients = 64

// BenchmarkGrant measures the cost of a token.
func BenchmarkGrant(b *testing.B) {
	i := newInstance(b, testkit.P256(b))
	r := request("hello")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := i.stamp(r); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "timestamps/s")
}

// BenchmarkServe measures the same over sockets, including the clients.
func BenchmarkServe(b *testing.B) {
	i := newInstance(b, testkit.P256(b))
	body := marshal(b, request("hello"))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	b.SetParallelism(clients / 2)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			resp, err := client.Post(i.url+"/api/v1/timestamp", query, bytes.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != http.StatusCreated {
				b.Errorf("%d, %v", resp.StatusCode, err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "timestamps/s")
}
