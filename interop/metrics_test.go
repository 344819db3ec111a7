// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"net/http"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/hallmark-sign/hallmark/hallmarktest"
)

// TestMetrics reads the metrics of an instance with the parser of Prometheus.
func TestMetrics(t *testing.T) {
	i := hallmarktest.New(t)
	if health, err := http.Get(i.URL + "/healthz"); err != nil {
		t.Fatal(err)
	} else {
		health.Body.Close()
	}
	resp, err := http.Get(i.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if format := expfmt.ResponseFormat(resp.Header); format.FormatType() != expfmt.TypeTextPlain {
		t.Errorf("the format is %q", resp.Header.Get("Content-Type"))
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for name, kind := range map[string]string{
		"hallmark_http_requests_total":           "COUNTER",
		"hallmark_http_request_duration_seconds": "HISTOGRAM",
		"hallmark_log_entries":                   "GAUGE",
		"hallmark_log_failed":                    "GAUGE",
		"process_resident_memory_bytes":          "GAUGE",
		"go_goroutines":                          "GAUGE",
	} {
		if family := families[name]; family == nil || family.GetType().String() != kind {
			t.Errorf("%s: got %v, want a %s", name, family, kind)
		}
	}
}
