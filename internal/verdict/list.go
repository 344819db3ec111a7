package verdict

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/hallmark-sign/hallmark/verify"
)

// list vouches for several files, and is judged once: a signed list of checksums,
// or bundles that name the files themselves, which are manifests.
type list struct {
	target Target
	judged sync.Once
	said   Verdict
	labels []labels // of manifests: what each of said.Results names
}

// manifest says whether it is bundles, which name files themselves.
func (l *list) manifest() bool { return l.target.claimed }

// self says whether path is that of the list, which is a file like those it lists.
func (l *list) self(path string) bool { return !l.manifest() && l.target.path == path }

// coverage is what the lists and manifests of directories vouch for.
type coverage struct {
	files     map[string]Target
	manifests map[string]*Problem // paths of manifests; nil: it can be used
}

// cover notes what the signed lists and the manifests of a directory vouch for.
func (f Finder) cover(dir string, covered coverage) {
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
			f.coverByChecksums(path, covered)
		}
	}
	coverByManifests(dir, strays, covered)
}

// vouched judges a list of checksums once, or a file by the list that vouches for
// it.
func (j *Judge) vouched(ctx context.Context, t Target) Verdict {
	t.list.judged.Do(func() {
		t.list.said = Verdict{Target: t.list.target}
		j.judge(ctx, &t.list.said)
	})
	if t.listed == nil {
		return t.list.said
	}
	v := Verdict{Target: t, Results: t.list.said.Results, Digest: t.listed, List: t.list.target.Name}
	if p := t.list.said.Problem; p != nil {
		v.Problem = t.notVouched(p, "the list that it stands in, "+t.list.target.Name+", is not verified")
		return v
	}
	_, v.Problem = t.Sum(ctx)
	return v
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
