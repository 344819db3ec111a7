// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

// TestOneMeaningAFlag checks that flags with one name have the same description with every verb,
// with listed exceptions.
func TestOneMeaningAFlag(t *testing.T) {
	same := map[string]bool{"timeout": true, "quiet": true, "json": true, "instance": true, "trusted-root": true, "signing-config": true, "identity-token": true, "email": true, "log-level": true}
	seen := map[string]*pflag.Flag{}
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			first, ok := seen[f.Name]
			switch {
			case !ok:
				seen[f.Name] = f
			case first.Value.Type() != f.Value.Type() && f.Name != "bundle" && f.Name != "key": // which may be repeated
				t.Errorf("--%s is a %s and a %s", f.Name, first.Value.Type(), f.Value.Type())
			case same[f.Name] && first.Usage != f.Usage:
				t.Errorf("--%s: %q and %q", f.Name, first.Usage, f.Usage)
			}
		})
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(newRoot(cli.Environment{Getenv: func(string) string { return "" }}))
}

func TestNamesAreTypes(t *testing.T) {
	for _, name := range intoto.Names() {
		if _, err := cli.PredicateType(name); err != nil {
			t.Error(err)
		}
	}
}
