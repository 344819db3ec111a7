// SPDX-License-Identifier: Apache-2.0

package verifying

import (
	"fmt"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/policy"
)

// CheckPolicies reads policies, and prints of each what it accepts and warnings.
func CheckPolicies(env cli.Environment, files []string) error {
	var failed fault.Failures
	for _, file := range files {
		p, err := readPolicy(file)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		if err := tellPolicy(env, file, p); err != nil {
			return err
		}
	}
	return failed.OrNil()
}

// tellPolicy prints that a policy is valid, what it accepts, and its warnings.
func tellPolicy(env cli.Environment, file string, p *policy.Policy) error {
	if env.JSON {
		return env.PrintJSON(struct {
			File     string   `json:"file"`
			Signers  int      `json:"signers"`
			Rules    int      `json:"rules"`
			Warnings []string `json:"warnings"`
		}{file, len(p.Signers), len(p.Rules), append([]string{}, p.Warnings()...)})
	}
	for _, warning := range p.Warnings() {
		env.Say("hallmark: %s: warning: %s", file, warning)
	}
	_, err := fmt.Fprintf(env.Stdout, "%s: good: signers %d, rules %d\n", fault.Printable(file), len(p.Signers), len(p.Rules))
	return err
}

// ExplainPolicy prints in sentences what a policy accepts.
func ExplainPolicy(env cli.Environment, file string) error {
	p, err := readPolicy(file)
	if err != nil {
		return err
	}
	if env.JSON {
		return env.PrintJSON(map[string]any{"file": file, "sentences": p.Describe()})
	}
	for _, line := range p.Describe() {
		fmt.Fprintln(env.Stdout, fault.Printable(line))
	}
	return nil
}
