// SPDX-License-Identifier: Apache-2.0

// Package admission bounds the resources that untrusted clients can use:
// concurrent requests, bytes of their bodies in memory, and attempts.
//
// A [Gate] admits requests. It refuses excess requests with 503 and
// Retry-After. It first makes room at the cost of the slowest client: the
// upload that has stalled for the longest time is ended before another is
// refused, so that a client that sends a few kilobytes at once is served
// however many others hold theirs back.
//
// A [Limiter] counts attempts by a key: the holder of a token, or the [Client],
// which is an IPv4 address or an IPv6 /64. It stores a bounded number of keys.
//
// See TestGate*, TestLimiter*, and TestStrangers of internal/server.
package admission
