// SPDX-License-Identifier: Apache-2.0

package client

import (
	"net/http"

	"github.com/hallmark-sign/hallmark/client/retry"
)

// SetTransport makes h send its requests, and repeat them, to next.
func SetTransport(h *http.Client, next http.RoundTripper) {
	h.Transport.(*retry.Transport).Base = next
}
