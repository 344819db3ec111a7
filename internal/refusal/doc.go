// SPDX-License-Identifier: Apache-2.0

// Package refusal turns an error into the answer of an API: a [Table] has a row for each
// problem that the API knows, and the service brings the encoder of its wire format.
//
// The text of an answer is fixed: the cause goes to the log of the server alone. A 503
// always has a Retry-After.
package refusal
