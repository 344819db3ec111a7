// SPDX-License-Identifier: Apache-2.0

// Package judge checks artifacts and their bundles against a policy, several at once.
//
// A file without a bundle is unsigned only where its bundle was looked for and is
// missing; what could not be looked at is undecided. A bundle that is refused
// does no harm beside one that meets the policy, as anyone can add one.
//
// Source: docs/reference/errors.md for codes and exit statuses.
package judge
