// SPDX-License-Identifier: Apache-2.0

package server

import (
	"time"

	"github.com/hallmark-sign/hallmark/internal/ctlog"
	"github.com/hallmark-sign/hallmark/internal/instance"
)

// mountCT serves the CT log, which the certificate authority adds to.
func mountCT(p *parts) (mount, error) {
	log, err := ctlog.New(ctlog.Options{
		Dir: p.Config.Path("ct"), Origin: p.Config.Host() + "/ct", Key: p.Keys.CT, Clock: time.Now, Logger: p.logger,
		Notes: instance.LogNotes(p.Config, "ct", p.last()),
	})
	if err != nil {
		return mount{}, err
	}
	p.ctLog = log
	return mount{
		Name: "ct", Patterns: []string{"/ct/"}, Handler: log.Handler(), Gate: largeFiles,
		Health: logHealth(log), Metrics: logGauges("ct", log),
		Links: []link{{"/ct/checkpoint", "checkpoint of the log of certificates"}},
		Close: log.Close,
	}, nil
}
