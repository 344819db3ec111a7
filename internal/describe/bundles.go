// SPDX-License-Identifier: Apache-2.0

package describe

import (
	"context"
	"fmt"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/lookup"
)

// Bundles prints what the bundles that args name claim, as far as they can be read, and then
// returns why the others can't.
func Bundles(ctx context.Context, env cli.Environment, registry *lookup.Registry, args []string) error {
	var failed fault.Failures
	for _, arg := range args {
		claims, err := registry.Claims(ctx, arg)
		if err != nil {
			failed = append(failed, err)
		}
		for _, c := range claims {
			if c.Err != nil {
				failed = append(failed, c.Err)
				continue
			}
			if err := tellClaim(env, c); err != nil {
				return err
			}
		}
	}
	return failed.OrNil()
}

func tellClaim(env cli.Environment, c lookup.Claim) error {
	a := claim(c)
	if env.JSON {
		return env.PrintJSON(described{Name: c.Name, Version: fmt.Sprintf("0.%d", c.Bundle.Version), Claims: a.Lines})
	}
	_, err := fmt.Fprint(env.Stdout, a.String())
	return err
}
