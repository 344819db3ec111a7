// SPDX-License-Identifier: Apache-2.0

// Package readlog reads logs for verbs of the command: shows, proves, checks and follows their
// entries. Package client/logread reads and verifies; this one chooses keys and prints.
package readlog
