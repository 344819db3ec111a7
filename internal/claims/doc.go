// SPDX-License-Identifier: Apache-2.0

// Package claims derives the identity of a certificate from the claims of an ID
// token, and decides by rules whether the token's holder may have one.
//
// An identity is derived from one claim ([Email], [URI], [Username], [SPIFFE],
// [Kubernetes]) or by the templates of a CI service ([Service]). Templates can
// insert claims and compare them, and nothing else. Their output has a limit, and
// the URI that they make keeps the scheme and host that the operator configured,
// whatever a token contains.
//
// All of this runs on claims whose signature has been verified. Claims are still
// chosen by strangers: anyone who may start a build at a public CI service.
//
// Source: Fulcio's docs/oidc.md and docs/oid-info.md; SPIFFE-ID §2; Kubernetes,
// "Service account token volume projection".
package claims
