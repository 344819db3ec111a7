// Package login gets an ID token: from a browser, from another device, with a
// password, or from the CI that the program runs in.
//
// Browser and Password use the authorization code flow with PKCE (S256), a state
// and a nonce; Device the device flow. The token's signature, issuer, audience,
// nonce and times are verified before it is given out, as far as that makes sense
// for who has just fetched it. Ambient hands on what the environment gives.
//
// Source: OpenID Connect Core 1.0 and Discovery 1.0, RFC 7636 (PKCE), RFC 8252
// (native apps), RFC 8628 (device flow); GitHub's "OpenID Connect" for Actions.
package login
