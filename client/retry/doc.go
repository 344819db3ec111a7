// SPDX-License-Identifier: Apache-2.0

// Package retry is what clients of services over HTTP have in common when they
// ask again: whether that may help, when, and with which request (RFC 9110,
// sections 9.2.2, 10.2.3 and 15).
package retry
