// SPDX-License-Identifier: Apache-2.0

// Package trusting pins instances and selects among those pinned, for verbs of the command. It
// fetches what an instance publishes. Package trust/store reads what is pinned, without HTTP.
package trusting
