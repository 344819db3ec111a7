// SPDX-License-Identifier: Apache-2.0

// Package find finds the files, images and digests that arguments name, with their
// bundles, and the signed lists and manifests that mention them.
//
// It reaches registries through an interface, so that a program that verifies only files
// contains no network code.
package find
