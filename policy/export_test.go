// SPDX-License-Identifier: Apache-2.0

package policy

import "github.com/hallmark-sign/hallmark/verify"

// Settle, Requirements and Counts let tests use results that no bundle proves.
func (p *Policy) Settle(results []*verify.Result) error {
	_, err := p.settle(results)
	return err
}

func (p *Policy) Requirements(f Facts) verify.Requirements { return p.requirements(f) }

func (p *Policy) Counts(result *verify.Result) bool { return p.counts(result) }
