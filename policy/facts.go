// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"fmt"
	"time"

	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

// Facts lists the inputs of a decision besides the artifact and its bundles. Policies refuse
// the zero value, as it is unknown which witnesses the instance requires.
type Facts struct {
	RootFetched time.Time         // when the trusted root was fetched; zero: unknown
	Now         time.Time         // zero: unknown
	Witnesses   InstanceWitnesses // required by the instance; the zero value: unknown
}

// InstanceWitnesses lists the witness policies that an instance publishes for all
// who verify with its trusted root. The zero value reports that they are unknown;
// every policy refuses it.
type InstanceWitnesses struct {
	known, waived bool
	policies      []checkpoint.WitnessPolicy
}

// KnownWitnesses returns the witness policies that an instance is known to publish.
// Without an argument, it is known to publish none.
func KnownWitnesses(policies ...checkpoint.WitnessPolicy) InstanceWitnesses {
	return InstanceWitnesses{known: true, policies: policies}
}

// Policies returns the known witness policies. A policy applies them by itself; a caller of
// [verify.Verifier.Verify] passes them in [verify.Requirements].
func (w InstanceWitnesses) Policies() []checkpoint.WitnessPolicy { return w.policies }

// UnknownWitnessesUnsafe accepts that the witnesses the instance requires are unknown, for a
// trusted root without log policy. A log that shows different entries to different clients is
// then not noticed. [Outcome.Gaps] reports it.
func UnknownWitnessesUnsafe() InstanceWitnesses { return InstanceWitnesses{waived: true} }

// A Gap is an unknown fact that the policy did not need.
type Gap string

// The gaps.
const (
	GapWitnesses Gap = "witnesses"
	GapRootAge   Gap = "root-age"
)

// Meaning returns the gap in words.
func (g Gap) Meaning() string {
	switch g {
	case GapWitnesses:
		return "which witnesses must have cosigned the log: no witness policy of the instance is known"
	case GapRootAge:
		return "how old the trusted root is: it is unknown when it was fetched"
	}
	return ""
}

// Gaps returns the facts that are unknown.
func (f Facts) Gaps() []Gap {
	var gaps []Gap
	if !f.Witnesses.known {
		gaps = append(gaps, GapWitnesses)
	}
	if f.RootFetched.IsZero() || f.Now.IsZero() {
		gaps = append(gaps, GapRootAge)
	}
	return gaps
}

// skew is how far in the future a trusted root may have been fetched, as clocks differ.
const skew = time.Minute

// check refuses facts that the policy needs and that are missing or not as required. It also
// refuses a fetch time in the future, which would make a root fresh for too long.
func (p *Policy) check(f Facts) error {
	if !f.Witnesses.known && !f.Witnesses.waived {
		return missing("which witnesses the instance demands")
	}
	if p.MaxRootAge <= 0 {
		return nil
	}
	switch {
	case f.RootFetched.IsZero():
		return missing("when the trusted root was fetched, for trustRoot.maxAge")
	case f.Now.IsZero():
		return missing("what time it is, for trustRoot.maxAge")
	}
	if age := f.Now.Sub(f.RootFetched); age > p.MaxRootAge || age < -skew {
		return &verify.Error{
			Code: verify.TrustStale, Expected: fmt.Sprintf("at most %v old", p.MaxRootAge), Found: age.Round(time.Second).String(),
		}
	}
	return nil
}

func missing(what string) error {
	return &verify.Error{Code: verify.FactMissing, Err: errors.New(what)}
}
