// SPDX-License-Identifier: Apache-2.0

package verifying

import (
	"context"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/images"
	"github.com/hallmark-sign/hallmark/internal/lookup"
	"github.com/hallmark-sign/hallmark/internal/trusting"
	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/verify"
)

// A Proposal finds the tightest policy that bundles meet.
type Proposal struct {
	Trust    trusting.Selection
	Registry images.Reach
	Keys     []string // files with public keys of bundles that were made with a key
}

// Run verifies the bundles that args name, by any signer, and prints the policy.
func (f Proposal) Run(ctx context.Context, env cli.Environment, args []string) error {
	verifier, facts, err := f.Trust.Verifier(env)
	if err != nil {
		return err
	}
	accept, err := f.requirements(facts)
	if err != nil {
		return err
	}
	registry, err := f.Registry.Registry()
	if err != nil {
		return err
	}
	if args, err = f.Registry.Expand(ctx, registry, args); err != nil {
		return err
	}
	var results []*verify.Result
	for _, arg := range args {
		claims, err := registry.Claims(ctx, arg)
		if err != nil {
			return err
		}
		proved, err := provedOf(env, verifier, accept, arg, claims)
		if err != nil {
			return err
		}
		results = append(results, proved...)
	}
	text, err := policy.Propose(results)
	if err != nil {
		return err
	}
	if env.JSON {
		return env.PrintJSON(map[string]string{"policy": string(text)})
	}
	_, err = env.Stdout.Write(text)
	return err
}

// requirements accepts every identity, as that is the question, and the keys that are
// given. It asks for the witnesses that the instance demands.
func (f Proposal) requirements(facts policy.Facts) (verify.Requirements, error) {
	accept := verify.Requirements{AnyIdentityUnsafe: true, WitnessPolicies: facts.Witnesses.Policies()}
	for _, file := range f.Keys {
		key, err := cli.ReadPublicKey(file)
		if err != nil {
			return accept, err
		}
		accept.Keys = append(accept.Keys, key)
	}
	return accept, nil
}

// provedOf verifies all bundles of a file, or those on an image that can be: at
// least one.
func provedOf(env cli.Environment, v *verify.Verifier, accept verify.Requirements, arg string, claims []lookup.Claim) ([]*verify.Result, error) {
	var results []*verify.Result
	var first error
	for _, c := range claims {
		result, err := c.Proved(v, accept)
		switch {
		case err == nil:
			results = append(results, result)
		case c.Image == nil:
			return nil, proposalRefused(env, arg, err)
		default:
			p := cli.ProblemOf(err)
			env.Say("hallmark: %s: left out: %s", c.Name, p.Code)
			if first == nil {
				first = proposalRefused(env, arg, err)
			}
			if p.Exit == fault.ExitUndecided {
				return nil, p // the unread bundle may be by another signer
			}
		}
	}
	if len(results) == 0 {
		return nil, first
	}
	return results, nil
}

// proposalRefused adds a remedy to a refusal: the key, or another trusted root.
func proposalRefused(env cli.Environment, file string, err error) error {
	p := fault.Of(cli.About(file, err))
	if p.Exit != fault.ExitRefused {
		return p
	}
	return p.With("propose", file)
}
