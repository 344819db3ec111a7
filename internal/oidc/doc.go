// Package oidc checks ID tokens of the issuers that an instance is configured to
// believe, and says whom each is about.
//
// Two types of issuer: "email", whose tokens have a verified address, and "uri",
// whose subjects are URIs below one scheme and host.
//
// What is cheap comes first: size, form, and an exact look-up of the issuer, its
// audience and the token's times, before keys are fetched or a signature is
// computed. Refused besides: members that come twice, an audience or issuer that
// is nearly right, algorithms that are not RS, PS, ES or EdDSA, addresses without
// email_verified: true, and subjects that no certificate could carry.
//
// Keys come by discovery at first use, with limits of size and time, one fetch at
// a time, whoever waits. A key id that nobody knows makes the issuer be asked
// again, but never more than once in half a minute.
//
// No error says what is in a token, beyond the issuer it names.
//
// Source: OpenID Connect Core 1.0 §2 and §3.1.3.7, Discovery 1.0 §3 and §4, RFC
// 7515, RFC 7519, RFC 8725; Fulcio's docs/oidc.md for the types.
package oidc
