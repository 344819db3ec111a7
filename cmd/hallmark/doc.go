// SPDX-License-Identifier: Apache-2.0

// Command hallmark is Sigstore, whole, in one binary: the servers of an instance
// and the client that signs and verifies.
//
// Each verb is a file. Data goes to stdout, all else to stderr; --json is for
// machines. Exit status: 0 yes, 1 refused, 2 usage or unreadable input, 3 could
// not decide. Every refusal has a code, which docs/reference/errors.md explains.
// testdata/script has the product as scripts.
package main
