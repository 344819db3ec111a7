// SPDX-License-Identifier: Apache-2.0

// Package fault has errors as users see them: a code, an exit status, a reason and
// what to try next, printed in one shape for people and in another for machines.
//
// Source: docs/reference/errors.md for codes and exit statuses.
package fault
