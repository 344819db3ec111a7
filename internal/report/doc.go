// SPDX-License-Identifier: Apache-2.0

// Package report writes verdicts for people and for machines.
//
// Source: docs/reference/verdict.schema.json for the JSON of a Report.
package report
