// SPDX-License-Identifier: Apache-2.0

// Package ownlog knows the logs of an instance on this machine: which there are, by its
// trusted root, what has been seen of each, and whether a backup may take the place of one.
package ownlog
