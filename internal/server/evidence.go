// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"

	"github.com/hallmark-sign/hallmark/internal/evidence"
	"github.com/hallmark-sign/hallmark/internal/instance"
)

// mountEvidence serves the evidence store.
func mountEvidence(p *parts) (mount, error) {
	if !p.Config.Evidence.Enabled {
		return mount{}, nil
	}
	witnesses, err := instance.Cosigners(p.Config.Witnesses)
	if err != nil {
		return mount{}, err
	}
	store, err := evidence.New(evidence.Options{
		Dir: p.Config.Path("evidence"), URL: p.Config.URL, Root: p.Root, Witnesses: witnesses, MaxBytes: p.Config.Evidence.MaxBytes, Logger: p.logger,
		Limit: limiter("bundles from this address", p.limits().Evidence),
	})
	if err != nil {
		return mount{}, err
	}
	return mount{
		Name: "evidence", Patterns: []string{"/api/v1/bundles/"}, Handler: store.Handler(), Gate: largeFiles,
		Health: func() string {
			if store.Failed() {
				return "the evidence store has stopped after an error; see the server's log"
			}
			return ""
		},
		Metrics: []gauge{
			{"hallmark_evidence_bytes", func() float64 { return float64(store.Bytes()) }},
			{"hallmark_evidence_failed", func() float64 { return oneIf(store.Failed()) }},
		},
		Close: func(context.Context) error { return store.Close() },
	}, nil
}
