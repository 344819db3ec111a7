// SPDX-License-Identifier: Apache-2.0

// Package cli is the terminal of the hallmark command: what a verb may touch of the process,
// prompts, flags that mean the same with every verb, tables, progress, and errors as people
// see them with exit status and remedy.
package cli
