// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"fmt"
	"sync"

	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/control"
)

// mountControl lets commands on this machine have the configuration read again. It serves
// no paths of the instance.
func mountControl(p *parts) (mount, error) {
	if p.Config.Source == "" {
		return mount{}, nil
	}
	var one sync.Mutex // else an older file could be taken after a newer one
	reload := func(ctx context.Context) error {
		one.Lock()
		defer one.Unlock()
		c, err := config.Load(p.Config.Source)
		if err != nil {
			return err
		}
		for _, reload := range p.reloads {
			if err := reload(c); err != nil {
				return fmt.Errorf("%s: %w", p.Config.Source, err)
			}
		}
		p.logger.InfoContext(ctx, "configuration read again", "issuers", len(c.Issuers))
		return nil
	}
	return mount{Name: "control", Run: func(ctx context.Context) {
		err := control.Serve(ctx, p.Config.Dir, map[string]func(context.Context) error{control.Reload: reload})
		if err != nil {
			p.logger.Warn("changes of issuers need a restart", "cause", err)
		}
	}}, nil
}
