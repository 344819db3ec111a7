// SPDX-License-Identifier: Apache-2.0

// Package hallmarktest gives a test a whole Sigstore instance on loopback, as
// net/http/httptest gives it an HTTP server: certificate authority, both logs,
// timestamp authority and login, with keys of its own, gone when the test ends.
//
//	func TestRelease(t *testing.T) {
//		instance := hallmarktest.New(t)
//		b := instance.Sign(t, "alice@example.com", strings.NewReader("a release"))
//		// verify b with instance.Root
//	}
//
// It is the real server, over a socket, with its logs on disk; only its keys are
// never written down.
package hallmarktest
