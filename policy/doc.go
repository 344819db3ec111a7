// SPDX-License-Identifier: Apache-2.0

// Package policy reads and applies policy files: named signers with typed fields, how many of
// them must have signed which content, and conditions on attested statements.
//
//	version: 1
//	signers:
//	  alice:
//	    email: alice@example.com
//	    issuer: https://login.example.com
//	  release:
//	    github:
//	      repository: acme/widget
//	      repositoryID: "1296269"
//	      workflow: .github/workflows/release.yml
//	      ref: {glob: refs/tags/v*}
//	require:
//	  - signedBy: [alice, release]
//	    atLeast: 2
//
// Parse refuses unknown members, names that are defined twice or never used, and expressions
// that do not compile. A name is exact unless it is written as a glob, and both match the
// whole name (package identity). A policy has no default signers. By default a rule accepts
// signatures over the artifact's bytes; it must list every other kind that it accepts.
//
// [Policy.Verify] decides on an artifact and its bundles, with the [Facts] that the policy may
// need. [Policy.Begin], [Evaluation.Add] and [Evaluation.Decide] do the same in steps; only
// Decide accepts. Conditions are compiled by the caller's [Compiler]: package policy/cel, or
// none.
//
// Source: docs/guides/policies.md and docs/reference/policy.schema.json. Proof: TestSchema
// checks Parse against the schema.
package policy
