// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"context"
	"crypto"
	"encoding/hex"
	"slices"

	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/verify"
)

// digestsOf returns the digests that a bundle is about.
func digestsOf(r *verify.Result) map[string]bool {
	all := map[string]bool{}
	if r.Statement == nil {
		all[hex.EncodeToString(r.Digest)] = true
		return all
	}
	for _, s := range r.Statement.Subject {
		all[s.Digest["sha256"]] = true
	}
	return all
}

// shared judges the bundles that were given once, each by what it names itself, and
// then an artifact by those that name its digest.
func (j *Judge) shared(ctx context.Context, item find.Item) Verdict {
	list := j.once(ctx, item.By)
	v := verdictOn(item)
	v.List, v.Explained = list.Name, list.Explained
	if len(list.Results) == 0 {
		v.Err = notVouched(v.Name, list.Err, v.List+" is not verified")
		return v
	}
	sums, err := item.Sums(ctx, j.Stdin)
	if err != nil {
		v.Err = err
		return v
	}
	v.Digest = sums[crypto.SHA256]
	named := map[*verify.Result]bool{}
	for i, r := range list.Results {
		if list.digests[i][hex.EncodeToString(v.Digest)] {
			named[r] = true
			about := *r
			about.Hash, about.Digest = crypto.SHA256, v.Digest
			v.Results = append(v.Results, &about)
		}
	}
	if len(v.Results) == 0 {
		code := verify.SubjectMismatch
		if !slices.ContainsFunc(list.Results, func(r *verify.Result) bool { return r.Statement != nil }) {
			code = verify.ArtifactMismatch
		}
		v.Err = fault.About(v.Name, &verify.Error{
			Step: verify.StepStatement, Code: code, Expected: "one that " + v.List + " names",
			Found: find.DigestText(crypto.SHA256, v.Digest),
		})
		return v
	}
	v.evaluation = list.evaluation.Another()
	err = v.evaluation.AddFrom(list.evaluation, func(r *verify.Result) bool { return named[r] })
	if err == nil {
		_, err = v.evaluation.Decide()
	}
	if err != nil {
		v.Err = j.refusal(err, v.Name, find.Source{File: item.By.Given()})
	}
	return v
}
