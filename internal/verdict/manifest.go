package verdict

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
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

// maxManifest is how many bytes a manifest may have, and maxManifests how many those of
// a directory may have together. A statement of 10,000 subjects has about 2 MB.
const (
	maxManifest  = 32 << 20
	maxManifests = bundle.MaxSize
)

// manifestBudget is what is left to be read of the manifests and lists of a directory.
type manifestBudget struct {
	bytes   int64
	bundles int
}

// tooMany is what a list or manifest is that the budget does not allow for.
func tooMany(path string) *Problem {
	return Unreadable(path, fmt.Errorf("the manifests and lists of a directory have more than %d bytes together, or %d bundles", int64(maxManifests), maxBundles))
}

// errStatement: what a bundle names is not known, as its statement is malformed.
var errStatement = errors.New("statement can't be read")

// readManifest adds the manifest at path, each of its bundles for itself: one that is
// refused does no harm beside one that meets the policy. A bundle that is no manifest is
// left to the artifact that it lies beside.
func (c *coverage) readManifest(dir, path string, here *folder, budget *manifestBudget) {
	pieces, problem := readCandidate(path)
	key := c.key(path)
	switch {
	case problem != nil && problem.Exit == ExitUndecided:
		here.unseen = problem
		return
	case problem != nil && besideOf(path) == "":
		here.manifests[key], here.unread = problem, path
		return
	}
	var named [][]checksum
	for _, p := range pieces {
		files, err := p.filesNamed()
		if errors.Is(err, errStatement) {
			here.unread = path
		} else if err != nil {
			here.manifests[key] = &Problem{Exit: ExitUsage, Subject: path, Code: "manifest-malformed", Err: err, Try: "--bundle " + Quoted(path) + ", to verify files by their digests alone"}
		}
		named = append(named, files)
		if len(files) > 0 {
			budget.bytes -= int64(len(p.bundle.Envelope.Payload))
			budget.bundles--
		}
	}
	if budget.bundles < 0 || budget.bytes < 0 {
		here.manifests[key] = tooMany(path)
		here.unseen = here.manifests[key]
		return
	}
	for i, files := range named {
		if len(files) == 0 {
			continue
		}
		if _, malformed := here.manifests[key]; !malformed {
			here.manifests[key] = nil
		}
		by := &list{target: Target{Name: path, held: []piece{pieces[i]}, claimed: true}, malformed: here.manifests[key] != nil}
		for _, file := range files {
			c.mention(dir, file, by)
		}
	}
	if _, ok := here.manifests[key]; ok {
		here.names = append(here.names, path)
	}
}

// envelopeMember is in every bundle that has a statement.
const envelopeMember = "dsseEnvelope"

// isPlainSignature reports whether the file at path is a bundle without a statement, as
// most are: such a bundle is no manifest. There may be ten thousand, for which raw is the
// space to read into. It is false for what can't be read.
func isPlainSignature(path string, raw *bytes.Buffer) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	raw.Reset()
	read, err := raw.ReadFrom(io.LimitReader(f, maxManifest+1))
	return err == nil && read <= maxManifest && !bytes.Contains(raw.Bytes(), []byte(envelopeMember))
}

// readCandidate returns the bundles of a file that may be manifests: those with a
// statement. A problem is a file that could not be looked at, or is too long for one.
func readCandidate(path string) ([]piece, *Problem) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular():
		return nil, nil
	case err != nil:
		return nil, couldNotLook(path, err)
	case info.Size() > maxManifest:
		return nil, Unreadable(path, fmt.Errorf("more than %d bytes, the longest that a manifest may be", maxManifest))
	}
	raw, err := ReadFile(path, maxManifest)
	switch p := new(Problem); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case errors.As(err, &p):
		return nil, couldNotLook(path, p.Err)
	case !bytes.Contains(raw, []byte(envelopeMember)):
		return nil, nil
	}
	return slices.DeleteFunc(parsePieces(path, raw), func(p piece) bool {
		return p.err != nil || p.bundle.Envelope == nil || p.bundle.Envelope.PayloadType != dsse.PayloadTypeInToto
	}), nil
}

// besideOf returns the file that a bundle lies beside; empty: there is none.
func besideOf(path string) string {
	artifact := artifactOf(path)
	if info, err := os.Stat(artifact); err != nil || info.IsDir() {
		return ""
	}
	return artifact
}

// filesNamed returns the files that the statement of a bundle names, as far as they are
// well-formed, if the bundle is a manifest and not one of the file beside it.
// Images are in their registries.
func (p piece) filesNamed() ([]checksum, error) {
	s, err := intoto.Parse(p.bundle.Envelope.Payload)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errStatement, err)
	}
	beside := besideOf(p.file)
	if beside != "" && isOf(s, beside) {
		return nil, nil
	}
	var all []checksum
	var malformed error
	seen := map[string]bool{}
	for _, subject := range s.Subject {
		name := subject.Name
		if strings.HasSuffix(name, "@sha256:"+subject.Digest["sha256"]) {
			continue
		}
		digest, err := hex.DecodeString(subject.Digest["sha256"])
		switch {
		case !filepath.IsLocal(filepath.FromSlash(name)) || path.Clean(name) != name:
			malformed = fmt.Errorf("%.100q is no path below its directory", name)
			continue
		case err != nil || len(digest) != sha256.Size:
			malformed = fmt.Errorf("%.100q has no SHA-256", name)
			continue
		case seen[name]:
			malformed = fmt.Errorf("it names %.100q twice", name)
		}
		seen[name] = true
		all = append(all, checksum{crypto.SHA256, digest, filepath.FromSlash(name)})
	}
	if len(all) == 0 && beside != "" {
		return nil, nil
	}
	return all, malformed
}

// isOf reports whether a statement is about the file that its bundle lies beside, rather
// than about a directory. What 'sign --manifest' makes is about the directory, unless it
// names that file alone. An attestation is about the file if it names it; or, where the
// files that it names by paths are not there, if it names it by another path, or is about
// one file of this content, which has been renamed.
func isOf(s intoto.Statement, file string) bool {
	name, one := filepath.Base(file), len(s.Subject) == 1
	if s.PredicateType == intoto.TypeSigned {
		return one && s.Subject[0].Name == name
	}
	there, called := false, false
	for _, r := range s.Subject {
		if r.Name == name {
			return true
		}
		called = called || path.Base(r.Name) == name
		there = there || (!one || strings.Contains(r.Name, "/")) && stands(filepath.Dir(file), r.Name)
	}
	if there || called || !one {
		return !there && called // else a file could be added that takes the bundle for itself
	}
	sum, problem := Target{path: file, found: true}.Sum(context.Background())
	return problem == nil && s.Subject[0].Digest["sha256"] == hex.EncodeToString(sum)
}

// stands reports whether something stands below dir at the path that a statement names.
func stands(dir, name string) bool {
	local, err := filepath.Localize(name)
	if err != nil {
		return false
	}
	_, err = os.Lstat(filepath.Join(dir, local))
	return err == nil
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
	named := map[*verify.Result]bool{}
	for i, r := range said.Results {
		if l.digests[i][hex.EncodeToString(v.Digest)] {
			named[r] = true
			about := *r
			about.Hash, about.Digest = crypto.SHA256, v.Digest
			v.Results = append(v.Results, &about)
		}
	}
	if len(v.Results) == 0 {
		code := verify.SubjectMismatch
		if !slices.ContainsFunc(said.Results, func(r *verify.Result) bool { return r.Statement != nil }) {
			code = verify.ArtifactMismatch
		}
		v.Problem = Refused(&verify.Error{
			Step: verify.StepStatement, Code: code, Expected: "one that " + l.target.Name + " names",
			Found: DigestText(crypto.SHA256, v.Digest),
		})
		v.Problem.Subject = t.Name
		return v
	}
	v.evaluation = said.evaluation.Another()
	err := v.evaluation.AddFrom(said.evaluation, func(r *verify.Result) bool { return named[r] })
	if err == nil {
		_, err = v.evaluation.Decide()
	}
	if err != nil {
		v.Problem = j.refusal(err, t.Name, piece{file: l.target.bundles[0]})
	}
	return v
}

// refusal is the problem that an error of a policy is.
func (j *Judge) refusal(err error, name string, from piece) *Problem {
	if refusal := new(verify.Error); errors.As(err, &refusal) {
		return j.dress(name, from, Refused(refusal))
	}
	return &Problem{Exit: ExitUndecided, Subject: name, Code: "failed", Err: err}
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

// checkName returns a check that refuses a file under a name that its statement does
// not give it. It passes every result of a bundle that was not found beside the file.
func (t Target) checkName(p piece) func(*verify.Result) error {
	return func(r *verify.Result) error {
		name := filepath.Base(t.path)
		if !t.beside(p) || calls(r, name) {
			return nil
		}
		return &verify.Error{
			Step: verify.StepStatement, Code: verify.SubjectMismatch,
			Expected: "a statement that gives " + name + " this digest", Found: fmt.Sprintf("one on %d artifacts, which does not", len(r.Statement.Subject)),
		}
	}
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
