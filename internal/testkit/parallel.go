// SPDX-License-Identifier: Apache-2.0

package testkit

import (
	"flag"
	"testing"
)

// Parallel runs the tests of a package that wait for disks, sockets and timers far more than
// they compute. Those that call t.Parallel run twelve at once, not one for each processor,
// unless the flag -parallel is given. TestMain calls it.
func Parallel(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" || f.Name == "test.fuzz" })
	if !given {
		_ = flag.Set("test.parallel", "12")
	}
	m.Run()
}
