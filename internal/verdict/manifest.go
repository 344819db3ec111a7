package verdict

import (
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/dsse"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

// A manifest is a bundle that stands in a directory beside no artifact of its own,
// and whose statement names files of the directory by path and digest.
//
//	{"_type":"https://in-toto.io/Statement/v1",
//	 "subject":[{"name":"bin/tool","digest":{"sha256":"5891b5…"}},
//	            {"name":"registry.example.com/app@sha256:c605…","digest":{"sha256":"c605…"}}],…}

// digestsOf are what a bundle is about.
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

// sharedBy are bundles that vouch for several artifacts, each for what it names.
func sharedBy(files []string) *list {
	return &list{target: Target{Name: strings.Join(files, ", "), bundles: files, claimed: true}}
}

// coverByManifests notes what the manifests of a directory say, each bundle for
// itself: one that is refused does no harm beside one that meets the policy. A bundle
// that is no manifest is left to the walk.
func coverByManifests(dir string, paths []string, covered *coverage) {
	bundles, budget := 0, int64(bundle.MaxSize)
	for _, file := range paths {
		info, err := os.Stat(file)
		if err != nil {
			continue
		}
		if budget -= info.Size(); budget < 0 || bundles > maxBundles {
			covered.manifests[file] = Unreadable(file, fmt.Errorf("the manifests of a directory have more than %d bytes together, or %d bundles", int64(bundle.MaxSize), maxBundles))
			covered.unread = append(covered.unread, file)
			continue
		}
		pieces := readPieces(file, false)
		named, err := filesNamed(pieces)
		if errors.Is(err, errStatement) {
			covered.unread = append(covered.unread, file)
			continue
		}
		if err != nil {
			covered.manifests[file] = &Problem{Exit: ExitUsage, Subject: file, Code: "manifest-malformed", Err: err, Try: "--bundle " + Quoted(file) + ", to verify files by their digests alone"}
			continue
		}
		if named == nil {
			continue
		}
		covered.manifests[file] = nil
		bundles += len(pieces)
		for i, p := range pieces {
			l := &list{target: Target{Name: file, held: []piece{p}, claimed: true}}
			for _, f := range named[i] {
				place := filepath.Join(dir, f.name)
				covered.files[place] = append(covered.files[place], mention{l, f.digest})
			}
		}
	}
}

// errStatement: what a bundle names is not known, as its statement is malformed, or
// longer than any is read.
var errStatement = errors.New("statement can't be read")

// filesNamed are the files that the statement of each bundle names; nil: these
// bundles are no manifest. Images are in their registries. Errors: errStatement.
func filesNamed(pieces []piece) ([][]checksum, error) {
	all, some := make([][]checksum, len(pieces)), false
	for i, p := range pieces {
		if p.err != nil || p.bundle.Envelope == nil || p.bundle.Envelope.PayloadType != dsse.PayloadTypeInToto {
			return nil, nil
		}
		s, err := intoto.Parse(p.bundle.Envelope.Payload)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errStatement, err)
		}
		seen := map[string]bool{}
		for _, subject := range s.Subject {
			name := subject.Name
			digest, err := hex.DecodeString(subject.Digest["sha256"])
			switch {
			case seen[name]:
				return nil, fmt.Errorf("it names %.100q twice", name)
			case strings.HasSuffix(name, "@sha256:"+subject.Digest["sha256"]):
			case !filepath.IsLocal(filepath.FromSlash(name)) || path.Clean(name) != name:
				return nil, fmt.Errorf("%.100q is no path below its directory", name)
			case err != nil || len(digest) != sha256.Size:
				return nil, fmt.Errorf("%.100q has no SHA-256", name)
			default:
				all[i], some = append(all[i], checksum{digest, filepath.FromSlash(name)}), true
			}
			seen[name] = true
		}
	}
	if !some {
		return nil, nil
	}
	return all, nil
}

// missing are the files that manifests name and that are not there, in their order.
func (c coverage) missing() []Target {
	var all []Target
	for _, place := range slices.Sorted(maps.Keys(c.files)) {
		if !c.byManifest(place) {
			continue // a list may be of more than somebody keeps
		}
		info, err := os.Lstat(place)
		if err == nil && info.IsDir() {
			err = &fs.PathError{Op: "open", Path: place, Err: fs.ErrNotExist} // as a file
		}
		if err != nil {
			all = append(all, Target{Name: place, path: place, problem: notFound(place, err), mentions: c.files[place]})
		}
	}
	return all
}

// shared judges the bundles that were given once, each by what it names itself, and
// then an artifact by those that name its digest.
func (j *Judge) shared(ctx context.Context, t Target) Verdict {
	l := t.list
	said := j.once(ctx, l)
	v := Verdict{Target: t, List: l.target.Name, Explained: said.Explained}
	if len(said.Results) == 0 {
		v.Problem = t.notVouched(said.Problem, l.target.Name+" is not verified: "+said.Problem.Error())
		return v
	}
	if v.Digest, v.Problem = t.sum(ctx, j.Stdin); v.Problem != nil {
		return v
	}
	for i, r := range said.Results {
		if l.digests[i][hex.EncodeToString(v.Digest)] {
			about := *r
			about.Hash, about.Digest = crypto.SHA256, v.Digest
			v.Results = append(v.Results, &about)
		}
	}
	if len(v.Results) == 0 {
		v.Problem = Refused(&verify.Error{
			Step: verify.StepStatement, Code: verify.SubjectMismatch, Expected: "one that " + l.target.Name + " names",
			Found: "sha256:" + hex.EncodeToString(v.Digest),
		})
		v.Problem.Subject = t.Name
		return v
	}
	if refusal := new(verify.Error); errors.As(j.Policy.Settle(v.Results), &refusal) {
		v.Problem = j.dress(t.Name, piece{file: l.target.bundles[0]}, Refused(refusal))
	}
	return v
}

// sum is the SHA-256 of whatever the target is.
func (t Target) sum(ctx context.Context, stdin io.Reader) ([]byte, *Problem) {
	switch {
	case t.digest != nil:
		return t.digest, nil
	case t.stdin:
		return sumOf(ctx, t.Name, stdin)
	}
	return t.Sum(ctx)
}

// beside says whether a bundle was found next to the file, and not given for it.
func (t Target) beside(p piece) bool {
	return t.path != "" && len(t.bundles) == 0 && t.given == nil && !t.claimed && !p.elsewhere
}

// calls says whether a statement about several artifacts gives the one that was
// verified this name, and to no other: else any file that a manifest names could be
// put in the place of any other, with a copy of the manifest beside it.
func calls(r *verify.Result, name string) bool {
	if r.Statement == nil || len(r.Statement.Subject) == 1 {
		return true
	}
	called := false
	for _, s := range r.Statement.Subject {
		if path.Base(s.Name) != name {
			continue
		}
		algorithm, digest, _ := strings.Cut(DigestText(r.Hash, r.Digest), ":")
		if s.Digest[algorithm] != digest {
			return false
		}
		called = true
	}
	return called
}

// otherName is the refusal of a file under a name that its statement does not give it.
func otherName(r *verify.Result, name string) *Problem {
	return Refused(&verify.Error{
		Step: verify.StepStatement, Code: verify.SubjectMismatch,
		Expected: "a statement that gives " + name + " this digest", Found: fmt.Sprintf("one on %d artifacts, which does not", len(r.Statement.Subject)),
	})
}

// Claimed is the artifact that a bundle names itself: the first, if several.
func Claimed(b *bundle.Bundle) (verify.Artifact, error) {
	if b.Envelope != nil {
		statement, err := intoto.Parse(b.Envelope.Payload)
		if err != nil {
			return verify.Artifact{}, err
		}
		return SubjectOf(statement)
	}
	if b.Message.Hash == crypto.Hash(0) {
		return verify.Artifact{}, errors.New("the bundle does not say of which artifact it is")
	}
	return verify.FromDigest(b.Message.Hash, b.Message.Digest), nil
}

// SubjectOf gives a subject of a statement as what is verified, always the same one,
// so that bundles of one artifact are seen to be that.
func SubjectOf(s intoto.Statement) (verify.Artifact, error) {
	for _, subject := range s.Subject {
		for _, by := range []struct {
			algorithm string
			hash      crypto.Hash
		}{{"sha256", crypto.SHA256}, {"sha384", crypto.SHA384}, {"sha512", crypto.SHA512}} {
			if digest, err := hex.DecodeString(subject.Digest[by.algorithm]); err == nil && len(digest) == by.hash.Size() {
				return verify.FromDigest(by.hash, digest), nil
			}
		}
	}
	return verify.Artifact{}, errors.New("no subject has a SHA-256, SHA-384 or SHA-512 digest")
}
