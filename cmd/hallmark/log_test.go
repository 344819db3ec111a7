// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// waitSizeCommand: waitsize CHECKPOINT SIZE waits until a log has published so many
// entries.
func waitSizeCommand(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		raw, err := os.ReadFile(ts.MkAbs(args[0]))
		ts.Check(err)
		if lines := strings.Split(string(raw), "\n"); len(lines) > 1 && lines[1] == args[1] {
			return
		}
	}
	ts.Fatalf("%s does not come to %s entries", args[0], args[1])
}
