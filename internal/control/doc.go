// SPDX-License-Identifier: Apache-2.0

// Package control lets commands on the same machine ask a running server to do
// something, over a Unix socket in the directory of the instance that only its owner can
// open:
//
//	POST /reload    the server reads hallmark.yaml again
//
// The answer is 204, or 422 with the reason why nothing has changed.
package control
