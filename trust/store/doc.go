// SPDX-License-Identifier: Apache-2.0

// Package store reads what a client has pinned of the instances that it trusts. It asks
// nothing over a network: fetching and pinning stand above it.
package store
