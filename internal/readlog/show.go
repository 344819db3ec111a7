// SPDX-License-Identifier: Apache-2.0

package readlog

import (
	"context"
	"fmt"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/describe"
)

// Show prints an entry once it is proven to be in the log.
func (f Flags) Show(ctx context.Context, env cli.Environment, name string, index uint64) error {
	l, err := f.open(ctx, env, name)
	if err != nil {
		return err
	}
	for e, err := range l.Entries(ctx, l.head, index, index+1) {
		if err != nil {
			return l.problem(env, err)
		}
		if env.JSON {
			return env.PrintJSON(describe.NewEntry(l.head.Format, e))
		}
		if _, err := fmt.Fprint(env.Stdout, describe.Logged(l.head, e)); err != nil {
			return err
		}
	}
	return nil
}
