// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

// Flags that mean the same with every verb are made here.

func AddTimeout(cmd *cobra.Command, timeout *time.Duration, usual time.Duration) {
	cmd.Flags().DurationVar(timeout, "timeout", usual, "how long a service or a registry may take for an answer")
}

func AddQuiet(cmd *cobra.Command, quiet *bool) {
	cmd.Flags().BoolVar(quiet, "quiet", false, "print only what went wrong")
}

func AddConfig(flags *pflag.FlagSet, path *string, usual string) {
	flags.StringVarP(path, "config", "c", "", "`DIR` of the instance, or its hallmark.yaml"+usual)
}

// AddType adds --type to a verb that selects signatures by their type.
func AddType(cmd *cobra.Command, kind *string, more ...string) {
	names := append([]string{policy.Signature}, more...)
	cmd.Flags().StringVar(kind, "type", "", "`TYPE` of what was signed: "+OneOf(slices.Concat(names, intoto.Names(), []string{"a URI"}))+" (default: any)")
	Complete(cmd, "type", slices.Concat(names, intoto.Names())...)
}

// OneOf joins alternatives for a help text.
func OneOf(words []string) string {
	text := words[0]
	for i, word := range words[1:] {
		if i == len(words)-2 {
			text += " or " + word
		} else {
			text += ", " + word
		}
	}
	return text
}

// Complete registers the values of a flag for completion by shells.
func Complete(cmd *cobra.Command, flag string, values ...string) {
	CompleteFrom(cmd, flag, func() []string { return values })
}

func CompleteFrom(cmd *cobra.Command, flag string, values func() []string) {
	err := cmd.RegisterFlagCompletionFunc(flag, func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return values(), cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil {
		panic(err) // there is no such flag
	}
}

// PredicateType returns the type that --type names: by a name of cosign's, or a URI.
func PredicateType(text string) (string, error) {
	if uri, ok := intoto.PredicateType(text); ok {
		return uri, nil
	}
	if scheme, rest, ok := strings.Cut(text, ":"); !ok || scheme == "" || rest == "" {
		hint := ""
		if name := nearest(text, intoto.Names()); name != "" {
			hint = "; did you mean " + name + "?"
		}
		return "", fmt.Errorf("--type %q is none of %s%s", text, OneOf(append(intoto.Names(), "a URI")), hint)
	}
	return text, nil
}
