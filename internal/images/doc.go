// SPDX-License-Identifier: Apache-2.0

// Package images does what the command does with images in registries besides signing and
// verifying: copy, save, load, list, download and delete what is attached to them.
package images
