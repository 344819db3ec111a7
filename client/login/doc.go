// Package login gets an ID token from an OpenID issuer: with a browser on this
// machine, with one elsewhere (device flow), with a password for scripts, or from
// what a CI service has put into the environment.
//
// Endpoints come from the issuer's discovery document, which must be of the issuer
// that was named; beyond loopback everything is https. Answers are limited in
// size, and read strictly. The browser comes back to 127.0.0.1 alone, with a state
// and a nonce that serve once, and the code is bound to this process by PKCE.
//
// A token's signature is not verified here. It came from the issuer itself
// ("the TLS server validation MAY be used to validate the issuer in place of
// checking the token signature", OpenID Connect Core §3.1.3.7), and the certificate
// authority verifies it. Nonce, issuer and audience are checked.
//
// Source: OpenID Connect Core 1.0 and Discovery 1.0, RFC 6749, RFC 7636 (PKCE),
// RFC 8252 (native apps), RFC 8628 (device flow).
package login
