package main

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

func addTimeout(cmd *cobra.Command, timeout *time.Duration, usual time.Duration) {
	cmd.Flags().DurationVar(timeout, "timeout", usual, "how long a service or a registry may take for an answer")
}

func addQuiet(cmd *cobra.Command, quiet *bool) {
	cmd.Flags().BoolVar(quiet, "quiet", false, "print only what went wrong")
}

func addConfig(flags *pflag.FlagSet, path *string, usual string) {
	flags.StringVarP(path, "config", "c", "", "`DIR` of the instance, or its hallmark.yaml"+usual)
}

// addType adds --type to a verb that selects signatures by their type.
func addType(cmd *cobra.Command, kind *string, more ...string) {
	names := append([]string{policy.Signature}, more...)
	cmd.Flags().StringVar(kind, "type", "", "`TYPE` of what was signed: "+oneOf(slices.Concat(names, intoto.Names(), []string{"a URI"}))+" (default: any)")
	complete(cmd, "type", slices.Concat(names, intoto.Names())...)
}

// oneOf joins alternatives for a help text.
func oneOf(words []string) string {
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

// complete has shells offer the values of a flag.
func complete(cmd *cobra.Command, flag string, values ...string) {
	completeFrom(cmd, flag, func() []string { return values })
}

func completeFrom(cmd *cobra.Command, flag string, values func() []string) {
	err := cmd.RegisterFlagCompletionFunc(flag, func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return values(), cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil {
		panic(err) // there is no such flag
	}
}

// predicateType is what --type says: a name that cosign has too, or a URI.
func predicateType(text string) (string, error) {
	if uri, ok := intoto.PredicateType(text); ok {
		return uri, nil
	}
	if scheme, rest, ok := strings.Cut(text, ":"); !ok || scheme == "" || rest == "" {
		hint := ""
		if name := nearest(text, intoto.Names()); name != "" {
			hint = "; did you mean " + name + "?"
		}
		return "", fmt.Errorf("--type %q is none of %s%s", text, oneOf(append(intoto.Names(), "a URI")), hint)
	}
	return text, nil
}
