package verdict

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

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
}

// manifest says whether it is bundles, which name files themselves.
func (l *list) manifest() bool { return l.target.claimed }

// mention is what a list or manifest says of a file of its directory.
type mention struct {
	list   *list
	digest []byte // SHA-256
}

// coverage is what the lists and manifests of directories say.
type coverage struct {
	files     map[string][]mention
	manifests map[string]*Problem // paths of manifests; nil: it can be used
	unread    []string            // paths of what may be manifests and is too much to read
}

// mayName is a bundle that was not read, and may name the file at path; else empty.
func (c coverage) mayName(path string) string {
	for _, unread := range c.unread {
		if rel, err := filepath.Rel(filepath.Dir(unread), path); err == nil && filepath.IsLocal(rel) {
			return unread
		}
	}
	return ""
}

func (c coverage) byManifest(path string) bool {
	return slices.ContainsFunc(c.files[path], func(m mention) bool { return m.list.manifest() })
}

// cover notes what the signed lists and the manifests of a directory say.
func (f Finder) cover(dir string, covered *coverage) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // the walk tells
	}
	there := map[string]bool{}
	for _, entry := range entries {
		there[entry.Name()] = !entry.IsDir()
	}
	var strays []string
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		switch {
		case !entry.Type().IsRegular():
		case isBundle(path) && !there[artifactOf(entry.Name())]:
			strays = append(strays, path)
		case IsChecksums(path):
			f.coverByChecksums(path, *covered)
		}
	}
	coverByManifests(dir, strays, covered)
}

// once judges a list the first time that it is asked for.
func (j *Judge) once(ctx context.Context, l *list) Verdict {
	l.judged.Do(func() {
		l.said = Verdict{Target: l.target}
		j.judge(ctx, &l.said)
		l.counts = slices.ContainsFunc(l.said.Results, j.Policy.Counts)
		for _, r := range l.said.Results {
			l.digests = append(l.digests, digestsOf(r))
		}
	})
	return l.said
}

// vouched judges a list of checksums that was named, or a file by it.
func (j *Judge) vouched(ctx context.Context, t Target) Verdict {
	said := j.once(ctx, t.list)
	if t.listed == nil {
		return said
	}
	v := Verdict{Target: t, Results: said.Results, Digest: t.listed, List: said.Target.Name}
	if said.Problem != nil {
		v.Problem = t.notVouched(said.Problem, "the list that it stands in, "+said.Target.Name+", is not verified")
		return v
	}
	if _, v.Problem = t.Sum(ctx); v.Problem != nil {
		v.Problem = v.Problem.missingFrom(said.Target.Name)
	}
	return v
}

// mentioned judges a file of a directory. It must be the one that each list and
// manifest there says it is whose signature counts for a rule; these vouch for it,
// together with bundles of its own.
func (j *Judge) mentioned(ctx context.Context, t Target) Verdict {
	v := Verdict{Target: t}
	digest, unread := t.Sum(ctx)
	var refused *Problem
	var by []string
	for _, m := range t.mentions {
		said := j.once(ctx, m.list)
		name := said.Target.Name
		v.Explained = append(v.Explained, said.Explained...)
		switch {
		case m.list.counts && unread != nil:
			v.Problem = unread.missingFrom(name)
			return v
		case m.list.counts && !bytes.Equal(digest, m.digest):
			v.Problem = mismatch(t.Name, hex.EncodeToString(m.digest)+", by "+name, digest)
			return v
		case said.Problem == nil || m.list.counts && m.list.manifest(): // several manifests may be enough together
			v.Results, by = append(v.Results, said.Results...), append(by, name)
		default:
			refused = cmp.Or(refused, t.notVouched(said.Problem, name+" is not verified: "+said.Problem.Error()))
		}
	}
	switch {
	case unread != nil && errors.Is(unread, fs.ErrNotExist):
		v.Problem = refused
	case unread != nil:
		v.Problem = unread
	case j.Policy.Settle(v.Results) != nil:
		j.alone(ctx, &v, by, refused)
	}
	if v.Problem == nil && len(by) > 0 {
		v.Digest, v.List = digest, strings.Join(slices.Compact(by), ", ")
	}
	return v
}

// alone adds bundles of a file's own to what these manifests have proved, which is not
// enough; others were refused.
func (j *Judge) alone(ctx context.Context, v *Verdict, by []string, refused *Problem) {
	own := Verdict{Target: v.Target}
	j.judge(ctx, &own)
	v.Results, v.Explained = append(v.Results, own.Results...), append(v.Explained, own.Explained...)
	err, refusal := j.Policy.Settle(v.Results), new(verify.Error)
	switch {
	case err == nil:
	case own.Problem.Code != "unsigned":
		v.Problem = own.Problem
	case len(by) > 0 && errors.As(err, &refusal):
		v.Problem = j.dress(v.Target.Name, piece{file: by[0]}, Refused(refusal))
	case refused != nil:
		v.Problem = refused
	default:
		v.Problem = own.Problem
	}
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

// hint is what to try for a file that was named and has no bundle: what names it in its
// directory, or in one above that was named too.
func (t Target) hint() string {
	for dir := filepath.Dir(t.path); !t.found; dir = filepath.Dir(dir) {
		covered := coverage{files: map[string][]mention{}, manifests: map[string]*Problem{}}
		Finder{}.cover(dir, &covered)
		for _, m := range covered.files[filepath.Clean(t.path)] {
			if m.list.manifest() {
				return "--bundle " + Quoted(m.list.target.Name) + ", which names it; or all of its directory, " + Quoted(dir)
			}
			return Quoted(m.list.target.Name) + ", a list that names it; or all of its directory, " + Quoted(dir)
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	return elsewhere
}

// notVouched is what a file is when its list is not verified, which why says.
func (t Target) notVouched(p *Problem, why string) *Problem {
	refused := *p
	refused.Subject, refused.Expected, refused.Found, refused.Try = t.Name, "", "", ""
	refused.Err = errors.New(why)
	return &refused
}

// Sum is the SHA-256 of a file; one that a list of checksums names must be the one
// that is listed.
func (t Target) Sum(ctx context.Context) ([]byte, *Problem) {
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
	sum, problem := sumOf(ctx, t.Name, f)
	if problem == nil && t.listed != nil && !bytes.Equal(sum, t.listed) {
		problem = mismatch(t.Name, hex.EncodeToString(t.listed)+", by the list", sum)
	}
	return sum, problem
}

func sumOf(ctx context.Context, name string, r io.Reader) ([]byte, *Problem) {
	h := sha256.New()
	if _, err := io.Copy(h, UntilDone{ctx, r}); err != nil {
		return nil, unread(name, err)
	}
	return h.Sum(nil), nil
}

// mismatch is a file that is not the one that was signed.
func mismatch(name, expected string, found []byte) *Problem {
	p := Refused(&verify.Error{Code: verify.ArtifactMismatch, Expected: "sha256:" + expected, Found: "sha256:" + hex.EncodeToString(found)})
	p.Subject = name
	return p
}
