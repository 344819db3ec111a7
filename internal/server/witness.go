// SPDX-License-Identifier: Apache-2.0

package server

import (
	"log/slog"
	"net/http"

	"github.com/hallmark-sign/hallmark/internal/admission"
	"github.com/hallmark-sign/hallmark/internal/witness"
)

// WitnessHandler serves a witness, to as many requests at once as an instance does without
// limits in its configuration:
//
//	POST /add-checkpoint        for logs
//	GET  /healthz  /metrics     for operators
func WitnessHandler(w *witness.Witness, logger *slog.Logger) http.Handler {
	service := mount{
		Name: "witness", Patterns: []string{"/"}, Handler: w.Handler(),
		Health: func() string {
			if w.Failed() {
				return "what is cosigned can't be written down; see the witness's log"
			}
			return ""
		},
		Metrics: []gauge{{"hallmark_witness_failed", func() float64 { return oneIf(w.Failed()) }}},
	}
	for origin := range w.Sizes() {
		service.Metrics = append(service.Metrics, gauge{
			labeled("hallmark_witness_log_entries", "log", origin), func() float64 { return float64(w.Sizes()[origin]) },
		})
	}
	return mux(newMetrics(slog.New(withRequest{logger.Handler()}), nil), admission.NewGate(admission.Limits{}), []mount{service})
}
