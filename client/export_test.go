// SPDX-License-Identifier: Apache-2.0

package client

import "net/http"

// SetTransport has h ask next, as patiently as it would the network.
func SetTransport(h *http.Client, next http.RoundTripper) {
	p := h.Transport.(patient)
	p.next = next
	h.Transport = p
}
