// SPDX-License-Identifier: Apache-2.0

// Package testkit has what the tests of many packages need: keys, and how long the
// tests may take. No other code imports it.
//
// HALLMARK_CI=nightly selects the long form of tests that can go on forever: kills,
// power losses, changed bytes, large inputs. The short form runs a few of each.
package testkit
