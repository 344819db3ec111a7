// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/go-json-experiment/json"
)

// printVersion writes the version and the version of Go.
func printVersion(w io.Writer, asJSON bool) error {
	v := struct {
		Version string `json:"version"`
		Go      string `json:"go"`
	}{"(devel)", runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		v.Version = info.Main.Version
	}
	if !asJSON {
		_, err := fmt.Fprintf(w, "hallmark-verify %s, %s\n", v.Version, v.Go)
		return err
	}
	raw, err := json.Marshal(v)
	if err == nil {
		_, err = w.Write(append(raw, '\n'))
	}
	return err
}
