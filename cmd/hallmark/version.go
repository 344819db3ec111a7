// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/fips140"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/cli"
)

func versionCommand(env cli.Environment) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, build and FIPS facts",
		Args:  cli.UsageArgs(cobra.NoArgs),
		RunE:  func(*cobra.Command, []string) error { return version(env) },
	}
}

func version(env cli.Environment) error {
	v := struct {
		Version  string `json:"version"`
		Commit   string `json:"commit,omitempty"`
		Go       string `json:"go"`
		Platform string `json:"platform"`
		FIPS140  bool   `json:"fips140"`
	}{Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, FIPS140: fips140.Enabled()}
	v.Version, v.Commit = built()
	if env.JSON {
		return env.PrintJSON(v)
	}
	_, err := fmt.Fprintf(env.Stdout, "hallmark %s, %s, %s, FIPS 140-3 mode %t\n", strings.TrimSpace(v.Version+" "+v.Commit), v.Go, v.Platform, v.FIPS140)
	return err
}

// built returns the version that this is, and the commit that it was built from if that
// is known.
func built() (version, commit string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(devel)", ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			commit = s.Value
		}
	}
	return info.Main.Version, commit
}
