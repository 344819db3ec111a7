// SPDX-License-Identifier: Apache-2.0

// Package trial shows and measures what an instance does: [Trial] makes one and tells the whole
// story of a signature, [Measurement] puts a running one under load.
package trial
