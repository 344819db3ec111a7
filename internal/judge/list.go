// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/verify"
)

// judged is the verdict on a list, which is judged once.
type judged struct {
	Verdict
	once    sync.Once
	counts  bool              // for a rule, though perhaps not enough
	digests []map[string]bool // SHA-256 of what each of Results is about, in hexadecimal
}

// once judges a list the first time that it is asked for.
func (j *Judge) once(ctx context.Context, l *find.List) *judged {
	entry, _ := j.lists.LoadOrStore(l, new(judged))
	said := entry.(*judged)
	said.once.Do(func() {
		said.Target = l.Target
		j.judge(ctx, &said.Verdict)
		said.counts = said.evaluation.Counts()
		for _, r := range said.Results {
			said.digests = append(said.digests, digestsOf(r))
		}
	})
	return said
}

// mentioned judges a file that lists or manifests name. It must be the one that each of
// them says it is, if its signature counts for a rule; these count for the file,
// together with bundles of its own.
func (j *Judge) mentioned(ctx context.Context, t find.Target) Verdict {
	v := Verdict{Target: t}
	sums, unread := t.Sums(ctx)
	if v.evaluation, v.Problem = j.begin(t.Name); v.Problem != nil {
		return v
	}
	var refused *fault.Problem
	var by []string
	for _, m := range t.Mentions {
		said := j.once(ctx, m.List)
		name := said.Target.Name
		v.Explained = append(v.Explained, said.Explained...)
		differs := unread != nil || !bytes.Equal(sums[m.Hash], m.Digest)
		switch {
		case said.counts && differs && said.Problem != nil && said.Problem.Code == string(verify.ConditionTooCostly):
			v.Problem = notVouched(t.Name, said.Problem, name+" names another file, and may count: "+said.Problem.Error())
			return v
		case said.counts && unread != nil:
			v.Problem = missingFrom(unread, name)
			return v
		case said.counts && differs:
			v.Problem = find.Mismatch(t.Name, find.DigestText(m.Hash, m.Digest)+", by "+name, find.DigestText(m.Hash, sums[m.Hash]))
			return v
		case m.List.Malformed:
		case said.counts: // several may be enough together
			if v.Problem = v.include(said.Verdict); v.Problem != nil {
				return v
			}
			by = append(by, name)
		default:
			refused = cmp.Or(refused, notVouched(t.Name, said.Problem, name+" is not verified: "+said.Problem.Error()))
		}
	}
	switch {
	case unread != nil && errors.Is(unread, fs.ErrNotExist) && refused != nil:
		v.Problem = refused
	case unread != nil:
		v.Problem = unread
	default:
		if _, err := v.evaluation.Decide(); err != nil {
			j.alone(ctx, &v, by, refused)
		}
	}
	if v.Problem == nil && len(by) > 0 {
		v.Digest, v.List = sums[crypto.SHA256], strings.Join(slices.Compact(by), ", ")
	}
	return v
}

// alone adds bundles of a file's own to what these manifests have proved, which is not
// enough; others were refused.
func (j *Judge) alone(ctx context.Context, v *Verdict, by []string, refused *fault.Problem) {
	own := j.own(ctx, v.Target)
	v.Explained = append(v.Explained, own.Explained...)
	if v.Problem = v.include(own); v.Problem != nil {
		return
	}
	_, err := v.evaluation.Decide()
	switch {
	case err == nil:
	case own.Problem != nil && own.Problem.Code != "unsigned" && !policy.Undecided(err):
		v.Problem = own.Problem
	case len(by) > 0:
		v.Problem = j.refusal(err, v.Target.Name, find.Source{File: by[0]})
	case refused != nil:
		v.Problem = refused
	case own.Problem != nil:
		v.Problem = own.Problem
	default:
		v.Problem = j.refusal(err, v.Target.Name, find.Source{File: find.DetachedName})
	}
}

// include adds what another verdict has proved, which is about this artifact too.
func (v *Verdict) include(other Verdict) *fault.Problem {
	v.Results = append(v.Results, other.Results...)
	if other.evaluation == nil { // nothing was verified
		return nil
	}
	if err := v.evaluation.AddFrom(other.evaluation, func(*verify.Result) bool { return true }); err != nil {
		return &fault.Problem{Exit: fault.ExitUndecided, Subject: v.Target.Name, Code: "failed", Err: err}
	}
	return nil
}

// missingFrom returns the refusal of a missing file that a list names.
func missingFrom(p *fault.Problem, list string) *fault.Problem {
	if !errors.Is(p.Err, fs.ErrNotExist) {
		return p
	}
	return &fault.Problem{
		Exit: fault.ExitRefused, Subject: p.Subject, Code: "artifact-missing", Err: p.Err,
		Try: "the file, which " + list + " names; or each of the others with --bundle",
	}
}

// notVouched returns the problem of a file whose list is not verified, and why.
func notVouched(name string, p *fault.Problem, why string) *fault.Problem {
	refused := *p
	refused.Subject, refused.Expected, refused.Found, refused.Try = name, "", "", ""
	refused.Err = errors.New(why)
	return &refused
}
