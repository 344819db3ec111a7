// SPDX-License-Identifier: Apache-2.0

// Package hallmarktest provides a complete Sigstore instance on loopback for a test, like
// net/http/httptest provides an HTTP server: certificate authority, both logs, timestamp
// authority and login, with keys of its own. It is removed when the test ends.
//
//	func TestRelease(t *testing.T) {
//		instance := hallmarktest.New(t)
//		b := instance.Sign(t, "alice@example.com", strings.NewReader("a release"))
//		// verify b with instance.Root
//	}
//
// The instance is the real server, over a socket, with its logs on disk. Only its keys are
// never written to disk.
package hallmarktest
