// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"context"
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

// ManifestName is the file name of a manifest without its suffix.
const ManifestName = "release"

// A manifest collects the subjects of one statement.
type manifest struct {
	out      string // the file with the bundle
	subjects []subject
	named    []intoto.Subject
	seen     map[string]bool
}

// SignManifest signs one statement about everything that the arguments name. The
// bundle goes into one file, and on every image.
func (r *Request) SignManifest(ctx context.Context, env cli.Environment, args []string) error {
	if err := r.prepare(env); err != nil {
		return err
	}
	r.manifest = true
	m := &manifest{out: r.target(filepath.Join(manifestDir(args), ManifestName)), seen: map[string]bool{}}
	for _, arg := range args {
		if err := m.add(ctx, r, arg); err != nil {
			return err
		}
	}
	if len(m.named) == 0 {
		return &fault.Problem{Exit: fault.ExitUsage, Code: "usage", Err: errors.New("there is nothing to sign in what was named")}
	}
	if err := r.checkStore(len(m.named)); err != nil {
		return err
	}
	var files []string
	for _, one := range m.subjects {
		if one.image == nil {
			files = append(files, one.name)
		}
	}
	if err := r.checkTargets([]string{m.out}, files); err != nil {
		return err
	}
	s, err := r.session(ctx)
	if err != nil {
		return err
	}
	return s.signManifest(ctx, m)
}

// add adds what one argument names.
func (m *manifest) add(ctx context.Context, r *Request, arg string) error {
	text, isImage, err := find.Finder{Registry: r.registry}.Subject(arg)
	if err != nil {
		return err
	}
	if isImage {
		images, err := r.images(ctx, text)
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
	for item := range (find.Finder{}).Files(text) {
		if err := m.addFile(ctx, item); err != nil {
			return err
		}
	}
	return nil
}

func (m *manifest) addFile(ctx context.Context, item find.Item) error {
	name, err := below(filepath.Dir(m.out), item.Name())
	if err != nil {
		return &fault.Problem{Exit: fault.ExitUsage, Subject: item.Name(), Code: "usage", Err: err, Remedy: "directory-above"}
	}
	if !utf8.ValidString(name) {
		return &fault.Problem{Exit: fault.ExitUsage, Subject: item.Name(), Code: "usage", Err: fmt.Errorf("the name %q is not UTF-8, and can't stand in a statement", name), Remedy: "checksums-or-name"}
	}
	if err := staysBelow(filepath.Dir(m.out), item.Name()); err != nil {
		return &fault.Problem{Exit: fault.ExitUsage, Subject: item.Name(), Code: "usage", Err: err, Remedy: "copy-in-place"}
	}
	sums, err := item.Sums(ctx, nil)
	if err != nil {
		return err
	}
	return m.put(subject{name: item.Name()}, intoto.Subject{Name: name, Digest: map[string]string{"sha256": hex.EncodeToString(sums[crypto.SHA256])}})
}

// below returns a file's path relative to a directory that contains it, with slashes.
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

// manifestDir returns the default directory of a manifest: the directory that is
// signed, if there is one.
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
		return &fault.Problem{
			Exit: fault.ExitUsage, Code: "usage", Err: fmt.Errorf("more than %d subjects, which is all that a statement may name", intoto.MaxSubjects),
			Remedy: "several-manifests",
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
	var failed fault.Failures
	for _, one := range m.subjects {
		if one.image == nil {
			continue
		}
		if _, err := s.hang(ctx, one, raw, what.kind); err != nil {
			failed = append(failed, &fault.SubjectError{Subject: one.name, Err: err}) // the others have it nevertheless
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
