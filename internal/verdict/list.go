package verdict

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"errors"
	"hash"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/verify"
)

// list vouches for several files, and is judged once: a signed list of checksums,
// or bundles that name the files themselves, as a manifest does.
type list struct {
	target  Target
	judged  sync.Once
	said    Verdict
	counts  bool              // for a rule, though perhaps not enough
	digests []map[string]bool // SHA-256 of what each of said.Results is about, in hexadecimal

	malformed bool // a manifest that objects, and does not count
}

// manifest says whether it is bundles, which name files themselves.
func (l *list) manifest() bool { return l.target.claimed }

// once judges a list the first time that it is asked for.
func (j *Judge) once(ctx context.Context, l *list) Verdict {
	l.judged.Do(func() {
		l.said = Verdict{Target: l.target}
		j.judge(ctx, &l.said)
		l.counts = l.said.evaluation.Counts()
		for _, r := range l.said.Results {
			l.digests = append(l.digests, digestsOf(r))
		}
	})
	return l.said
}

// mentioned judges a file that lists or manifests name. It must be the one that each of
// them says it is, if its signature counts for a rule; these count for the file,
// together with bundles of its own.
func (j *Judge) mentioned(ctx context.Context, t Target) Verdict {
	v := Verdict{Target: t}
	sums, unread := t.Sums(ctx)
	if v.evaluation, v.Problem = j.begin(t.Name); v.Problem != nil {
		return v
	}
	var refused *Problem
	var by []string
	for _, m := range t.mentions {
		said := j.once(ctx, m.list)
		name := said.Target.Name
		v.Explained = append(v.Explained, said.Explained...)
		differs := unread != nil || !bytes.Equal(sums[m.hash], m.digest)
		switch {
		case m.list.counts && differs && said.Problem != nil && said.Problem.Code == string(verify.ConditionTooCostly):
			v.Problem = t.notVouched(said.Problem, name+" names another file, and may count: "+said.Problem.Error())
			return v
		case m.list.counts && unread != nil:
			v.Problem = unread.missingFrom(name)
			return v
		case m.list.counts && differs:
			v.Problem = mismatch(t.Name, DigestText(m.hash, m.digest)+", by "+name, DigestText(m.hash, sums[m.hash]))
			return v
		case m.list.malformed:
		case m.list.counts: // several may be enough together
			if v.Problem = v.include(said); v.Problem != nil {
				return v
			}
			by = append(by, name)
		default:
			refused = cmp.Or(refused, t.notVouched(said.Problem, name+" is not verified: "+said.Problem.Error()))
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
func (j *Judge) alone(ctx context.Context, v *Verdict, by []string, refused *Problem) {
	own := j.own(ctx, v.Target)
	v.Explained = append(v.Explained, own.Explained...)
	if v.Problem = v.include(own); v.Problem != nil {
		return
	}
	_, err := v.evaluation.Decide()
	refusal := new(verify.Error)
	switch {
	case err == nil:
	case own.Problem.Code != "unsigned" && !policy.Undecided(err):
		v.Problem = own.Problem
	case len(by) > 0 && errors.As(err, &refusal):
		v.Problem = j.dress(v.Target.Name, piece{file: by[0]}, Refused(refusal))
	case refused != nil:
		v.Problem = refused
	default:
		v.Problem = own.Problem
	}
}

// include adds what another verdict has proved, which is about this artifact too.
func (v *Verdict) include(other Verdict) *Problem {
	v.Results = append(v.Results, other.Results...)
	if other.evaluation == nil { // nothing was verified
		return nil
	}
	if err := v.evaluation.AddFrom(other.evaluation, func(*verify.Result) bool { return true }); err != nil {
		return &Problem{Exit: ExitUndecided, Subject: v.Target.Name, Code: "failed", Err: err}
	}
	return nil
}

// missingFrom is the refusal of a file that is not there, and is signed for.
func (p *Problem) missingFrom(list string) *Problem {
	if !errors.Is(p.Err, fs.ErrNotExist) {
		return p
	}
	return &Problem{
		Exit: ExitRefused, Subject: p.Subject, Code: "artifact-missing", Err: p.Err,
		Try: "the file, which " + list + " names; or each of the others with --bundle",
	}
}

// notVouched is what a file is when its list is not verified, which why says.
func (t Target) notVouched(p *Problem, why string) *Problem {
	refused := *p
	refused.Subject, refused.Expected, refused.Found, refused.Try = t.Name, "", "", ""
	refused.Err = errors.New(why)
	return &refused
}

// Sum returns the SHA-256 of a file. A file that a list of checksums names must be the
// one that is listed.
func (t Target) Sum(ctx context.Context) ([]byte, *Problem) {
	sums, problem := t.Sums(ctx)
	return sums[crypto.SHA256], problem
}

// Sums returns the SHA-256 of a file, and the digests by which lists name it, having
// checked the one by which it was found.
func (t Target) Sums(ctx context.Context) (digests, *Problem) {
	if t.problem != nil {
		return nil, t.problem
	}
	if t.path == "" {
		return nil, Unreadable(t.Name, errors.New("not a file"))
	}
	f, err := t.open()
	if err != nil {
		return nil, Unreadable(t.Name, err)
	}
	defer f.Close()
	hashes := []crypto.Hash{crypto.SHA256, t.listed.hash}
	for _, m := range t.mentions {
		hashes = append(hashes, m.hash)
	}
	sums, problem := sumsOf(ctx, t.Name, f, hashes...)
	if want := t.listed; problem == nil && want.digest != nil && !bytes.Equal(sums[want.hash], want.digest) {
		problem = mismatch(t.Name, DigestText(want.hash, want.digest)+", by the list", DigestText(want.hash, sums[want.hash]))
	}
	return sums, problem
}

// digests are of one content, by algorithm.
type digests map[crypto.Hash][]byte

// sumsOf reads r to its end. Hashes may be repeated; zero ones are skipped.
func sumsOf(ctx context.Context, name string, r io.Reader, hashes ...crypto.Hash) (digests, *Problem) {
	states := map[crypto.Hash]hash.Hash{}
	var all []io.Writer
	for _, h := range hashes {
		if h != 0 && states[h] == nil {
			states[h] = h.New()
			all = append(all, states[h])
		}
	}
	if _, err := io.Copy(io.MultiWriter(all...), UntilDone{ctx, r}); err != nil {
		return nil, unread(name, err)
	}
	sums := digests{}
	for h, state := range states {
		sums[h] = state.Sum(nil)
	}
	return sums, nil
}

func sumOf(ctx context.Context, name string, r io.Reader) ([]byte, *Problem) {
	sums, problem := sumsOf(ctx, name, r, crypto.SHA256)
	return sums[crypto.SHA256], problem
}

// mismatch is a file that is not the one that was signed.
func mismatch(name, expected, found string) *Problem {
	p := Refused(&verify.Error{Code: verify.ArtifactMismatch, Expected: expected, Found: found})
	p.Subject = name
	return p
}
