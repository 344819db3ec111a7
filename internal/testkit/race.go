// SPDX-License-Identifier: Apache-2.0

//go:build race

package main

// race: the race detector is on, which makes each script take minutes.
const race = true
