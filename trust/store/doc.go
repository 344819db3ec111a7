// SPDX-License-Identifier: Apache-2.0

// Package store reads the trust material that a client has pinned. It does not use the
// network: packages above it fetch and pin.
package store
