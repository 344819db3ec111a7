// SPDX-License-Identifier: Apache-2.0

package server

import (
	"time"

	"github.com/hallmark-sign/hallmark/internal/ctlog"
	"github.com/hallmark-sign/hallmark/internal/instance"
)

// mountCT serves the CT log, which the certificate authority adds to.
func mountCT(p *parts) (Mount, error) {
	log, err := ctlog.New(ctlog.Options{
		Dir: p.Config.Path("ct"), Origin: p.Config.Host() + "/ct", Key: p.Keys.CT, Clock: time.Now, Logger: p.logger,
		Notes: instance.LogNotes(p.Config, "ct", p.last()),
	})
	if err != nil {
		return Mount{}, err
	}
	p.ctLog = log
	return Mount{
		Name: "ct", Patterns: []string{"/ct/"}, Handler: log.Handler(), Gate: LargeFiles,
		Health: logHealth(log), Metrics: logGauges("ct", log),
		Links: []Link{{"/ct/checkpoint", "checkpoint of the log of certificates"}},
		Close: log.Close,
	}, nil
}
