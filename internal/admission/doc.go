// Package admission bounds what strangers can use up: requests that are answered at
// once, bytes of their bodies in memory, and attempts.
//
// A [Gate] admits requests. It refuses one too many with 503 and Retry-After, and makes
// room first at the cost of whoever is slowest: an upload that has not moved for the
// longest time is ended before the next one is refused, so that a client whose few
// kilobytes arrive at once is served however many others hold theirs back.
//
// A [Limiter] counts attempts by a key: the holder of a token, or the [Client], which is
// an IPv4 address or an IPv6 /64. It holds a bounded number of keys.
//
// Proof: TestGate*, TestLimiter*, internal/server's TestStrangers.
package admission
