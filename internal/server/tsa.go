// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"
	"time"

	"github.com/hallmark-sign/hallmark/internal/tsa"
)

// mountTSA serves the timestamp authority.
func mountTSA(p *parts) (mount, error) {
	authority, err := tsa.New(tsa.Options{Key: p.Keys.TSA, Chain: p.TSAChain, Clock: time.Now, Logger: p.logger})
	if err != nil {
		return mount{}, fmt.Errorf("making timestamp authority: %w", err)
	}
	return mount{Name: "tsa", Patterns: []string{"/api/v1/timestamp", "/api/v1/timestamp/certchain"}, Handler: authority.Handler()}, nil
}
