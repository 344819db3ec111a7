// SPDX-License-Identifier: Apache-2.0

// Package ownlog finds the logs of an instance on this machine by its trusted root, the
// checkpoints seen of each, and whether a backup may replace one.
package ownlog
