// SPDX-License-Identifier: Apache-2.0

// Package idtoken reads ID tokens (OpenID Connect Core 1.0, section 2) as their holder does,
// without verifying them. The certificate authority verifies them.
package idtoken
