// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
)

// WantsJSON reports whether --json stands on a command line, be the rest of it right or
// wrong: also what is wrong with it is told in JSON.
func WantsJSON(args []string) bool {
	wants := false
	for _, arg := range args {
		switch value, given := strings.CutPrefix(arg, "--json="); {
		case arg == "--":
			return wants
		case arg == "--json":
			wants = true
		case given:
			wants, _ = strconv.ParseBool(value)
		}
	}
	return wants
}

// CheckFlags refuses a command line that reads standard input for two things, or whose flags
// do not go together.
func CheckFlags(cmd *cobra.Command, args []string) error {
	var uses []string
	for _, arg := range args {
		if arg == find.Stdin {
			uses = append(uses, "-")
		}
	}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Value.String() == find.Stdin || f.Value.String() == "["+find.Stdin+"]" {
			uses = append(uses, "--"+f.Name+" -")
		}
	})
	if len(uses) > 1 {
		return UsageError(cmd, fmt.Errorf("standard input is read once, and was named for %s", strings.Join(uses, " and ")))
	}
	if limit, err := cmd.Flags().GetDuration("timeout"); err == nil && limit <= 0 {
		return UsageError(cmd, errors.New("--timeout must be more than 0"))
	}
	return groups(cmd)
}

// groups refuses flags that exclude each other, or one that is nothing without another.
func groups(cmd *cobra.Command) error {
	err := cmd.ValidateFlagGroups()
	if err == nil {
		return nil
	}
	lists := regexp.MustCompile(`\[([^\]]*)\]`).FindAllStringSubmatch(err.Error(), -1)
	if len(lists) != 2 {
		return UsageError(cmd, err)
	}
	of := func(list string) string { return "--" + strings.Join(strings.Fields(list), " and --") }
	if strings.Contains(err.Error(), "none of the others") {
		return UsageError(cmd, fmt.Errorf("%s exclude each other", of(lists[1][1])))
	}
	return UsageError(cmd, fmt.Errorf("%s go together, and %s is missing", of(lists[0][1]), of(lists[1][1])))
}

// UsageArgs wraps a check of arguments so that its errors have exit status 2.
func UsageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case check(cmd, args) == nil:
			return nil
		case cmd.HasSubCommands():
			return UnknownVerb(cmd, args[0])
		case len(args) == 0:
			return UsageError(cmd, fmt.Errorf("an argument is missing: %s", cmd.UseLine()))
		}
		return UsageError(cmd, fmt.Errorf("it is used as %s, and was given %s", cmd.UseLine(), Counted(len(args), "argument", "arguments")))
	}
}

func UnknownVerb(cmd *cobra.Command, word string) error {
	var verbs []string
	for _, sub := range cmd.Commands() {
		if !sub.Hidden {
			verbs = append(verbs, sub.Name())
		}
	}
	p := UsageError(cmd, fmt.Errorf("%s has no command %q", cmd.CommandPath(), word))
	if verb := nearest(word, verbs); verb != "" {
		return p.With("verb", cmd.CommandPath(), verb)
	}
	return p
}

// FlagProblem returns the problem for a flag that can't be parsed.
func FlagProblem(cmd *cobra.Command, err error) error {
	unknown, valueless, wrong, syntax := new(pflag.NotExistError), new(pflag.ValueRequiredError), new(pflag.InvalidValueError), new(pflag.InvalidSyntaxError)
	switch {
	case errors.As(err, &unknown):
		return unknownFlag(cmd, unknown)
	case errors.As(err, &valueless):
		name, usage := pflag.UnquoteUsage(valueless.GetFlag())
		return UsageError(cmd, fmt.Errorf("--%s needs a value: %s, %s", valueless.GetFlag().Name, name, usage))
	case errors.As(err, &wrong):
		return UsageError(cmd, fmt.Errorf("--%s: %q is no %s", wrong.GetFlag().Name, wrong.GetValue(), valueKind(wrong.GetFlag())))
	case errors.As(err, &syntax):
		return UsageError(cmd, fmt.Errorf("%q is no flag", syntax.GetSpecifiedFlag()))
	}
	return UsageError(cmd, err)
}

func unknownFlag(cmd *cobra.Command, e *pflag.NotExistError) error {
	word := "--" + e.GetSpecifiedName()
	if e.GetSpecifiedShortnames() != "" {
		word = "-" + e.GetSpecifiedName()
	}
	p := UsageError(cmd, fmt.Errorf("%s has no flag %s", cmd.CommandPath(), word))
	var flags []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { flags = append(flags, f.Name) })
	if flag := nearest(strings.TrimLeft(word, "-"), flags); flag != "" && strings.HasPrefix(word, "--") {
		return p.With("flag", cmd.CommandPath(), flag)
	}
	return p
}

// valueKind returns the kind of value that a flag takes.
func valueKind(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "duration":
		return "duration, such as 30s or 2m"
	case "bool":
		return "true or false"
	case "int", "uint64":
		return "number that fits"
	}
	return "value for it"
}

// nearest returns the name that a user who typed word probably meant, such as one
// that ends in word. It returns "" if no name is near.
func nearest(word string, names []string) string {
	best, least := "", 3
	for _, name := range names {
		if word != "" && strings.HasSuffix(name, "-"+word) {
			return name
		}
		if d := distance(word, name); d < least && d < len(name)-1 {
			best, least = name, d
		}
	}
	return best
}

// distance returns the number of insertions, deletions, replacements and swaps of
// neighboring letters that turn a into b.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			other := 0
			if a[i-1] != b[j-1] {
				other = 1
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+other)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

// UsageError returns the problem for a command line that can't be used. An error that is a
// problem already stays as it is.
func UsageError(cmd *cobra.Command, err error) *fault.Problem {
	if p := new(fault.Problem); errors.As(err, &p) {
		return p
	}
	return &fault.Problem{Exit: fault.ExitUsage, Code: "usage", Err: err, Remedy: "help", Names: []string{cmd.CommandPath()}}
}
