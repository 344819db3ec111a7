// SPDX-License-Identifier: Apache-2.0

// Package oidc checks ID tokens of the configured issuers and returns their
// identities.
//
// There are two types of issuers: "email", whose tokens have a verified
// address, and "uri", whose subjects are URIs with one scheme and host.
//
// Cheap checks come first: size, form, exact issuer and audience, and times,
// before keys are fetched or a signature is verified. Duplicate members, an
// audience or issuer that is not exactly equal, algorithms other than RS, PS,
// ES and EdDSA, addresses without email_verified: true, and subjects that a
// certificate can't contain are refused.
//
// Keys are fetched by discovery at first use, with limits of size and time, and
// one fetch at a time. An unknown key ID causes another fetch, at most once in
// half a minute.
//
// Errors contain nothing from a token except its issuer.
//
// Source: OpenID Connect Core 1.0 §2 and §3.1.3.7, Discovery 1.0 §3 and §4, RFC
// 7515, RFC 7519, RFC 8725; Fulcio's docs/oidc.md for the types.
package oidc
