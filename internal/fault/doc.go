// SPDX-License-Identifier: Apache-2.0

// Package fault has errors as users see them: a code, an exit status and a
// reason, printed in one shape for people and in another for machines. The commands add
// what to try next.
//
// Source: docs/reference/errors.md for codes and exit statuses.
package fault
