// SPDX-License-Identifier: Apache-2.0

// Package verifying does what the verbs verify and policy do: it reads the policy and the
// trusted root that are selected, prints verdicts as they come, and checks, explains, tests and
// proposes policies.
package verifying
