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

// labels are what one bundle names: name, NUL, SHA-256 in hexadecimal; and each of
// the two alone.
type labels map[string]bool

const nul = "\x00"

func labelsOf(r *verify.Result) labels {
	all := labels{}
	if r.Statement == nil {
		all[hex.EncodeToString(r.Digest)] = true
		return all
	}
	for _, s := range r.Statement.Subject {
		digest := s.Digest["sha256"]
		all[digest], all[s.Name+nul+digest], all[s.Name+nul] = true, true, true
	}
	return all
}

// sharedBy are bundles that vouch for several artifacts, each for what it names.
func sharedBy(files []string) *list {
	return &list{target: Target{Name: strings.Join(files, ", "), bundles: files, claimed: true}}
}

// coverByManifests notes what the manifests of a directory vouch for, all together:
// one that is refused does no harm beside one that meets the policy. A bundle that
// is no manifest is left to the walk.
func coverByManifests(dir string, paths []string, covered coverage) {
	l := &list{target: Target{claimed: true}}
	var budget int64 = bundle.MaxSize
	for _, file := range paths {
		info, err := os.Stat(file)
		if err != nil {
			continue
		}
		if budget -= info.Size(); budget < 0 || len(l.target.held) > maxBundles {
			covered.manifests[file] = Unreadable(file, fmt.Errorf("the manifests of a directory have more than %d bytes together, or %d bundles", int64(bundle.MaxSize), maxBundles))
			continue
		}
		pieces := readPieces(file, false)
		named, err := filesNamed(pieces)
		if err != nil {
			covered.manifests[file] = &Problem{Exit: ExitUsage, Subject: file, Code: "manifest-malformed", Err: err, Try: "--bundle " + Quoted(file) + ", to verify files by their digests alone"}
			continue
		}
		if named == nil {
			continue
		}
		covered.manifests[file] = nil
		l.target.held = append(l.target.held, pieces...)
		l.target.Name = strings.TrimPrefix(l.target.Name+", "+file, ", ")
		for _, name := range named {
			place := filepath.Join(dir, filepath.FromSlash(name))
			covered.files[place] = Target{Name: place, path: place, found: true, list: l, label: name}
		}
	}
}

// filesNamed are the files that statements name; nil: these bundles are no
// manifest. Images are in their registries.
func filesNamed(pieces []piece) ([]string, error) {
	var all []string
	for _, p := range pieces {
		if p.err != nil || p.bundle.Envelope == nil || p.bundle.Envelope.PayloadType != dsse.PayloadTypeInToto {
			return nil, nil
		}
		s, err := intoto.Parse(p.bundle.Envelope.Payload)
		if err != nil {
			return nil, nil
		}
		seen := map[string]bool{}
		for _, subject := range s.Subject {
			name, digest := subject.Name, subject.Digest["sha256"]
			switch {
			case seen[name]:
				return nil, fmt.Errorf("it names %.100q twice", name)
			case strings.HasSuffix(name, "@sha256:"+digest):
			case !filepath.IsLocal(filepath.FromSlash(name)) || path.Clean(name) != name:
				return nil, fmt.Errorf("%.100q is no path below its directory", name)
			case len(digest) != hex.EncodedLen(sha256.Size):
				return nil, fmt.Errorf("%.100q has no SHA-256", name)
			default:
				all = append(all, name)
			}
			seen[name] = true
		}
	}
	return all, nil
}

// missing are the files that manifests name and that are not there, in their order.
func (c coverage) missing() []Target {
	var all []Target
	for _, place := range slices.Sorted(maps.Keys(c.files)) {
		if !c.files[place].list.manifest() {
			continue // a list may be of more than somebody keeps
		}
		info, err := os.Lstat(place)
		if err == nil && info.IsDir() {
			err = &fs.PathError{Op: "open", Path: place, Err: fs.ErrNotExist} // as a file
		}
		if err != nil {
			p := notFound(place, err)
			p.Try = "the file, which " + c.files[place].list.target.Name + " names; or each of the others with --bundle"
			all = append(all, Target{Name: place, problem: p})
		}
	}
	return all
}

// named judges the manifests once, each by what it names itself, and then a file by
// those that name it.
func (j *Judge) named(ctx context.Context, t Target) Verdict {
	l := t.list
	l.judged.Do(func() {
		if pieces, problem := l.target.pieces(); problem == nil {
			l.target.held = pieces
		}
		l.said = Verdict{Target: l.target}
		j.judge(ctx, &l.said)
		for _, r := range l.said.Results {
			l.labels = append(l.labels, labelsOf(r))
		}
	})
	v := Verdict{Target: t, List: l.target.Name, Explained: l.said.Explained}
	if len(l.said.Results) == 0 {
		v.Problem = t.notVouched(l.said.Problem, l.target.Name+" is not verified: "+l.said.Problem.Error())
		return v
	}
	if v.Digest, v.Problem = t.sum(ctx, j.Stdin); v.Problem != nil {
		return v
	}
	v.Results = l.naming(t.label, v.Digest)
	if len(v.Results) == 0 {
		v.Problem = t.unnamed(v.Digest)
		return v
	}
	if refusal := new(verify.Error); errors.As(j.Policy.Settle(v.Results), &refusal) {
		v.Problem = j.dress(t.Name, l.target.held[0], Refused(refusal))
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

// naming are the results of bundles that name an artifact, as ones about it.
func (l *list) naming(label string, digest []byte) []*verify.Result {
	key := hex.EncodeToString(digest)
	if label != "" {
		key = label + nul + key
	}
	var all []*verify.Result
	for i, r := range l.said.Results {
		if l.labels[i][key] {
			about := *r
			about.Hash, about.Digest = crypto.SHA256, digest
			all = append(all, &about)
		}
	}
	return all
}

// unnamed is what a file is that no manifest names which is verified, or with
// another digest.
func (t Target) unnamed(digest []byte) *Problem {
	l := t.list
	found := "sha256:" + hex.EncodeToString(digest)
	for i, r := range l.said.Results {
		if t.label == "" || !l.labels[i][t.label+nul] {
			continue
		}
		for _, s := range r.Statement.Subject {
			if s.Name == t.label {
				return mismatch(t.Name, s.Digest["sha256"]+", by "+l.target.Name, digest)
			}
		}
	}
	if t.label != "" {
		return &Problem{Exit: ExitRefused, Subject: t.Name, Code: "unsigned", Err: errors.New("no manifest names it that is verified")}
	}
	p := Refused(&verify.Error{Step: verify.StepStatement, Code: verify.SubjectMismatch, Expected: "one that " + l.target.Name + " names", Found: found})
	p.Subject = t.Name
	return p
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
