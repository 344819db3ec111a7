// SPDX-License-Identifier: Apache-2.0

// Package signing signs files, images and statements with the services of an instance, in
// this order: check what can be checked, get an ID token, sign, verify the new bundle, put
// it in its place.
package signing
