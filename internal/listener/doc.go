// SPDX-License-Identifier: Apache-2.0

// Package listener answers HTTP requests on a TCP listener: deadlines, a bound on connections,
// TLS with certificates that may be replaced, and an orderly end. It knows nothing of what its
// handler serves.
package listener
