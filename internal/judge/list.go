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

// A judged is the verdict on a list, which is verified once.
type judged struct {
	Verdict
	once    sync.Once
	counts  bool              // for a rule, though perhaps not enough
	digests []map[string]bool // SHA-256 of what each of Results is about, in hexadecimal
}

// once judges a list the first time that it is asked for.
func (j *Judge) once(ctx context.Context, item *find.Item) *judged {
	entry, _ := j.lists.LoadOrStore(item, new(judged))
	list := entry.(*judged)
	list.once.Do(func() {
		list.Name = item.Name()
		j.judge(ctx, *item, &list.Verdict)
		list.counts = list.evaluation.Counts()
		for _, r := range list.Results {
			list.digests = append(list.digests, digestsOf(r))
		}
	})
	return list
}

// claimed judges a file that lists or manifests name. It must be the one that each of
// them says it is, if its signature counts for a rule; these count for the file,
// together with bundles of its own.
func (j *Judge) claimed(ctx context.Context, item find.Item) Verdict {
	v := verdictOn(item)
	sums, unread := item.Sums(ctx, j.Stdin)
	if v.evaluation, v.Err = j.begin(v.Name); v.Err != nil {
		return v
	}
	var refused error
	var by []string
	for _, c := range item.Claims {
		list := j.once(ctx, c.By)
		name := list.Name
		v.Explained = append(v.Explained, list.Explained...)
		differs := unread != nil || !bytes.Equal(sums[c.Hash], c.Digest)
		switch {
		case list.counts && differs && list.Err != nil && list.Problem().Code == string(verify.ConditionTooCostly):
			v.Err = notVouched(v.Name, list.Err, name+" names another file, and may count")
			return v
		case list.counts && unread != nil:
			v.Err = missingFrom(unread, name)
			return v
		case list.counts && differs:
			v.Err = find.Mismatch(v.Name, find.DigestText(c.Hash, c.Digest)+", by "+name, find.DigestText(c.Hash, sums[c.Hash]))
			return v
		case c.Malformed:
		case list.counts: // several may be enough together
			if v.Err = v.include(list.Verdict); v.Err != nil {
				return v
			}
			by = append(by, name)
		default:
			refused = cmp.Or(refused, notVouched(v.Name, list.Err, name+" is not verified"))
		}
	}
	switch {
	case unread != nil && errors.Is(unread, fs.ErrNotExist) && refused != nil:
		v.Err = refused
	case unread != nil:
		v.Err = unread
	default:
		if _, err := v.evaluation.Decide(); err != nil {
			j.alone(ctx, item, &v, by, refused)
		}
	}
	if v.Err == nil && len(by) > 0 {
		v.Digest, v.List = sums[crypto.SHA256], strings.Join(slices.Compact(by), ", ")
	}
	return v
}

// alone adds bundles of a file's own to what these manifests have proved, which is not
// enough; others were refused.
func (j *Judge) alone(ctx context.Context, item find.Item, v *Verdict, by []string, refused error) {
	own := j.own(ctx, item)
	v.Explained = append(v.Explained, own.Explained...)
	if v.Err = v.include(own); v.Err != nil {
		return
	}
	_, err := v.evaluation.Decide()
	switch {
	case err == nil:
	case own.Err != nil && own.Problem().Code != "unsigned" && !policy.Undecided(err):
		v.Err = own.Err
	case len(by) > 0:
		v.Err = j.refusal(err, v.Name, find.Source{File: by[0]})
	case refused != nil:
		v.Err = refused
	case own.Err != nil:
		v.Err = own.Err
	default:
		v.Err = j.refusal(err, v.Name, find.Source{File: find.DetachedName})
	}
}

// include adds the results of another verdict that cover this artifact too.
func (v *Verdict) include(other Verdict) error {
	v.Results = append(v.Results, other.Results...)
	if other.evaluation == nil { // nothing was verified
		return nil
	}
	if err := v.evaluation.AddFrom(other.evaluation, func(*verify.Result) bool { return true }); err != nil {
		return &fault.Problem{Exit: fault.ExitUndecided, Subject: v.Name, Code: "failed", Err: err}
	}
	return nil
}

// missingFrom returns the refusal of a missing file that a list names.
func missingFrom(err error, list string) error {
	p := fault.Of(err)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return &fault.Problem{
		Exit: fault.ExitRefused, Subject: p.Subject, Code: "artifact-missing", Err: p.Err,
		Names: []string{list},
	}
}

// notVouched returns the error of a file whose list is not verified, which is err.
func notVouched(name string, err error, why string) error {
	p := fault.Of(err)
	return &fault.Problem{Exit: p.Exit, Subject: name, Code: p.Code, Err: errors.New(why + ": " + err.Error())}
}
