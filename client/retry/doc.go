// SPDX-License-Identifier: Apache-2.0

// Package retry repeats HTTP requests to services that are busy or can't be reached
// (RFC 9110, sections 9.2.2, 10.2.3 and 15). Clients of all services use its [Transport].
package retry
