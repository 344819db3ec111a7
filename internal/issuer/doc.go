// Package issuer is the built-in login: an OpenID provider whose ID tokens say
// which account of the instance signed in.
//
// It has one public client, named as the audience of its tokens ("sigstore"),
// which comes back to any loopback address and must prove itself with PKCE S256.
// There are two ways to a token: the authorization code flow, and the device flow
// for machines without a browser. There are no sessions, refresh tokens,
// scopes beyond openid and email, or third parties to consent to: each token
// costs a password.
//
// A request to sign in is not kept in memory: the page carries it, sealed to the
// browser by a cookie, which is the protection against forged forms as well. What
// memory holds is bounded and expires: codes of those who have signed in, and
// devices that wait.
//
// People change their passwords on a page of their own, with the old one.
//
// Refused are plain PKCE and none, redirects that are not to loopback, parameters
// that come twice, bodies above 16 KiB, and forms from other sites. A wrong
// password, an unknown address and an account being removed get the same answer
// in the same time.
//
// Source: OpenID Connect Core 1.0 and Discovery 1.0, RFC 6749 as RFC 9700 and
// RFC 8252 restrict it, RFC 7636 (PKCE), RFC 8628 (device flow), RFC 9106
// (Argon2id). Claims of compatibility: the tests of package client/login, which
// sign in over sockets and with Chromium.
package issuer
