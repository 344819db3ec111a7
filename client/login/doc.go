// SPDX-License-Identifier: Apache-2.0

// Package login gets an ID token from an OpenID issuer: with a browser on this
// machine or another one (device flow), with a password for scripts, or from
// the environment that a CI service has set up.
//
// Endpoints come from the discovery document of the issuer, which must name
// that issuer. Except to loopback, all connections use https. Responses are
// limited in size and parsed strictly. The browser is redirected to 127.0.0.1
// only, with a state and a nonce for a single use, and PKCE binds the code to
// this process.
//
// A token's signature is not verified here. The token came from the issuer
// itself ("the TLS server validation MAY be used to validate the issuer in
// place of checking the token signature", OpenID Connect Core §3.1.3.7), and
// the certificate authority verifies it. Nonce, issuer and audience are
// checked.
//
// Source: OpenID Connect Core 1.0 and Discovery 1.0, RFC 6749, RFC 7636 (PKCE),
// RFC 8252 (native apps), RFC 8628 (device flow).
package login
