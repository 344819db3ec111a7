// SPDX-License-Identifier: Apache-2.0

// Package policy is who is trusted, as a file: named signers with typed fields,
// how many of them must have signed what, and conditions on what they state.
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
// Parse refuses what it does not know, names that are defined twice or never
// used, and expressions that do not compile. A name is exact unless it is written
// as a glob, and both are about the whole name (package identity). The policy
// names nobody by default, and counts as signed what is signed as bytes; what a
// rule accepts besides it must say.
//
// [Policy.Verify] decides on an artifact and its bundles, with the [Facts] that the
// policy may need. [Policy.Begin], [Evaluation.Add] and [Evaluation.Decide] do the
// same in steps; only Decide says yes. Conditions are compiled by the caller's
// [Compiler]: package policy/cel, or none.
//
// Source: docs/guides/policies.md and docs/reference/policy.schema.json. Proof: TestSchema holds
// Parse and the schema to each other.
package policy
