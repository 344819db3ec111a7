// SPDX-License-Identifier: Apache-2.0

//go:build race

package testkit

// Race is whether the race detector is on, which makes computing take ten times as long.
const Race = true
