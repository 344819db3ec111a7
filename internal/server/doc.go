// SPDX-License-Identifier: Apache-2.0

// Package server puts the authorities of an instance on one listener: routes, limits, health,
// metrics and request ids. Package listener answers, with deadlines and TLS.
//
//	POST /api/v2/signingCert  GET /api/v2/{trustBundle,configuration}  certificate authority
//	POST /api/v1/signingCert  GET /api/v1/rootCert                     the same, for older clients
//	POST /api/v2/log/entries  GET /api/v2/{checkpoint,tile/…}          transparency log
//	GET  /ct/…                                                         CT log
//	POST /api/v1/timestamp    GET /api/v1/timestamp/certchain          timestamp authority
//	POST GET /api/v1/bundles/sha256:HEX                                evidence store, if enabled
//	GET  /.well-known/openid-configuration  /login/…                   login
//	GET  /trust/FILE                                                   what clients trust, see trust.Files
//	GET  /                                                             what this is, for people
//	GET  /healthz  /metrics                                            for operators
//
// Each authority is an http.Handler that knows nothing of its listener; this
// package passes to each what it needs of the others. A service is a mount: to add one,
// write its builder in a file of its own and add it to the list of builders in mount.go. Whatever a request carries
// in headers or body stays out of logs and metrics.
//
// Proof: TestShutdownLosesNothing, TestNoSecretsInLogs.
package server
