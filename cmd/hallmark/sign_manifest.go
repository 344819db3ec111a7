package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/hallmark-sign/hallmark/internal/lookup"
	"github.com/hallmark-sign/hallmark/internal/verdict"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

// widelyRead is how many subjects of a statement cosign and sigstore-go read, which
// interop's TestManifests knows.
const widelyRead = 1024

// manifestName is where a manifest goes, without its suffix.
const manifestName = "release"

// manifest is many subjects of one statement.
type manifest struct {
	out      string // the file with the bundle
	subjects []subject
	named    []intoto.Subject
	seen     map[string]bool
}

// signManifest signs one statement about everything that the arguments name. The
// bundle goes into one file, and on every image.
func (f signFlags) signManifest(ctx context.Context, env environment, args []string) error {
	registry, err := f.registry.registry(f.timeout)
	if err != nil {
		return err
	}
	m := &manifest{out: f.target(filepath.Join(manifestDir(args), manifestName)), seen: map[string]bool{}}
	for _, arg := range args {
		if err := m.add(ctx, f, env, registry, arg); err != nil {
			return err
		}
	}
	if len(m.named) == 0 {
		return &problem{Exit: exitUsage, Code: "usage", Err: errors.New("there is nothing to sign in what was named")}
	}
	if err := f.evidence.checkSigning(f.key, len(m.named)); err != nil {
		return err
	}
	var files []string
	for _, one := range m.subjects {
		if one.image == nil {
			files = append(files, one.name)
		}
	}
	if err := f.checkTargets([]string{m.out}, files); err != nil {
		return err
	}
	s, err := f.session(ctx, env)
	if err != nil {
		return err
	}
	s.registry = registry
	return s.signManifest(ctx, m)
}

// add adds what one argument names.
func (m *manifest) add(ctx context.Context, f signFlags, env environment, r *lookup.Registry, arg string) error {
	text, isImage, p := verdict.Finder{Registry: r}.Subject(arg)
	if p != nil {
		return p
	}
	if isImage {
		images, err := f.images(ctx, env, r, text)
		if err != nil {
			return err
		}
		for _, one := range images {
			named := imageSubject(*one.image)
			named.Name = one.image.String()
			if err := m.put(one, named); err != nil {
				return err
			}
		}
		return nil
	}
	for target := range (verdict.Finder{}).Files(text) {
		if err := m.addFile(ctx, target); err != nil {
			return err
		}
	}
	return nil
}

func (m *manifest) addFile(ctx context.Context, target verdict.Target) error {
	name, err := below(filepath.Dir(m.out), target.Name)
	if err != nil {
		return &problem{Exit: exitUsage, Subject: target.Name, Code: "usage", Err: err, Try: "--bundle FILE, in a directory above all that is signed"}
	}
	if !utf8.ValidString(name) {
		return &problem{Exit: exitUsage, Subject: target.Name, Code: "usage", Err: fmt.Errorf("the name %q is not UTF-8, and can't stand in a statement", name), Try: "a signed SHA256SUMS, or another name"}
	}
	if err := staysBelow(filepath.Dir(m.out), target.Name); err != nil {
		return &problem{Exit: exitUsage, Subject: target.Name, Code: "usage", Err: err, Try: "a copy of the file in its place"}
	}
	sum, p := target.Sum(ctx)
	if p != nil {
		return p
	}
	return m.put(subject{name: target.Name}, intoto.Subject{Name: name, Digest: map[string]string{"sha256": hex.EncodeToString(sum)}})
}

// below is a file's path from a directory that it must be in, with slashes.
func below(dir, file string) (string, error) {
	from, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	to, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	name, err := filepath.Rel(from, to)
	if err != nil || !filepath.IsLocal(name) {
		return "", fmt.Errorf("it is not below %s, where the manifest goes", from)
	}
	return filepath.ToSlash(name), nil
}

// staysBelow refuses a link that leads out of dir: its target is not part of what is
// signed, and can change without it.
func staysBelow(dir, file string) error {
	from, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	to, err := filepath.EvalSymlinks(file)
	if err != nil {
		return nil // Sum says what is wrong with it
	}
	if _, err := below(from, to); err != nil {
		return fmt.Errorf("it is a link to %s, which is not below %s", to, from)
	}
	return nil
}

// manifestDir is where a manifest goes unless --bundle says it: into the directory that
// is signed, if there is one.
func manifestDir(args []string) string {
	dir := ""
	for _, arg := range args {
		if info, err := os.Stat(strings.TrimPrefix(arg, "file:")); err == nil && info.IsDir() {
			if dir != "" {
				return ""
			}
			dir = strings.TrimPrefix(arg, "file:")
		}
	}
	return dir
}

// put adds a subject, unless it was named before.
func (m *manifest) put(one subject, named intoto.Subject) error {
	if m.seen[named.Name] {
		return nil
	}
	if len(m.named) == intoto.MaxSubjects {
		return &problem{
			Exit: exitUsage, Code: "usage", Err: fmt.Errorf("more than %d subjects, which is all that a statement may name", intoto.MaxSubjects),
			Try: "a manifest for each directory, or a signed list of checksums, SHA256SUMS",
		}
	}
	m.seen[named.Name] = true
	m.subjects, m.named = append(m.subjects, one), append(m.named, named)
	return nil
}

// signManifest signs, and leaves the bundle in its file first.
func (s *session) signManifest(ctx context.Context, m *manifest) error {
	what, err := signed(m.named...)
	if err != nil {
		return err
	}
	raw, results, err := s.seal(ctx, what)
	if err != nil {
		return err
	}
	written, err := s.write(m.out, raw)
	if err != nil {
		return unwritable(m.out, err)
	}
	m.out = written
	var failed failures
	for _, one := range m.subjects {
		if one.image == nil {
			continue
		}
		if _, err := s.hang(ctx, one, raw, what.kind); err != nil {
			failed = append(failed, about(one.name, err)) // the others have it nevertheless
		}
	}
	if len(failed) > 0 {
		return failed
	}
	if err := s.tellManifest(m, results); err != nil {
		return err
	}
	return s.keep(ctx, m.out, raw, results...)
}

// tellManifest tells people of all at once, machines of each.
func (s *session) tellManifest(m *manifest, results []*verify.Result) error {
	if s.env.json {
		for i, one := range m.subjects {
			if err := s.tell(one.name, m.out, results[i]); err != nil {
				return err
			}
		}
		return nil
	}
	s.env.say("%s: signed by %s, log entry %s", counted(len(m.named), "subject", "subjects"), verdict.Who(results[0]), verdict.EntryWords(results[0]))
	s.env.say("  bundle    %s", m.out)
	if len(m.named) > widelyRead {
		s.env.say("  note      cosign and sigstore-go refuse statements of more than %d subjects", widelyRead)
	}
	if name := filepath.Base(m.out); !strings.HasSuffix(name, verdict.Suffix) && !strings.HasSuffix(name, verdict.LinesSuffix) {
		s.env.say("  note      'hallmark verify DIR' looks for manifests called NAME%s", verdict.Suffix)
	} else {
		s.env.say("  found by  hallmark verify %s", verdict.Quoted(filepath.Dir(m.out)))
	}
	return nil
}
