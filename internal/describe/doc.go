// SPDX-License-Identifier: Apache-2.0

// Package describe turns bundles, certificates and log entries into tables for people and
// values for JSON. It verifies nothing.
package describe
