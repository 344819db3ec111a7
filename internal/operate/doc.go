// SPDX-License-Identifier: Apache-2.0

// Package operate makes and runs instances and witnesses, manages accounts, and backs up,
// restores and rotates logs, for the operator at a terminal: it asks for passphrases, prints
// what to do next, and turns errors into problems with remedies.
package operate
