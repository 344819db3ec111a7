// SPDX-License-Identifier: Apache-2.0

// Package issuer implements the built-in login: an OpenID provider whose ID tokens identify
// accounts of the instance.
//
// It has a public client named like the audience of its tokens ("sigstore"),
// which may use any loopback address as redirect and must use PKCE S256. A
// token is obtained by the authorization code flow or, on machines without a
// browser, by the device flow. There are no sessions, refresh tokens, scopes
// beyond openid and email, or third parties to consent to: each token requires
// a password.
//
// A login request is not stored in memory: its page carries it, sealed to the
// browser by a cookie, which also protects against forged forms. Data in memory
// is bounded and expires: codes of people who have signed in, and waiting
// devices.
//
// People change their passwords on a separate page, with the old one.
//
// Missing and plain PKCE, redirects that are not to loopback, duplicate
// parameters, bodies above 16 KiB, and forms from other sites are refused. A
// wrong password, an unknown address and a removed account get the same
// response in the same time.
//
// Source: OpenID Connect Core 1.0 and Discovery 1.0, RFC 6749 as RFC 9700 and
// RFC 8252 restrict it, RFC 7636 (PKCE), RFC 8628 (device flow), RFC 9106
// (Argon2id). The tests of package client/login sign in over sockets and with
// Chromium.
package issuer
