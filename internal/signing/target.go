// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
)

// target returns the path of a file's bundle: the flag's, or one beside the file.
func (r *Request) target(file string) string {
	if r.Add {
		return cmp.Or(r.Bundle, file+find.LinesSuffix)
	}
	return cmp.Or(r.Bundle, file+find.Suffix)
}

// checkFiles checks where the bundles of files will be written.
func (r *Request) checkFiles(subjects []subject, alsoRead ...string) error {
	var targets []string
	files := alsoRead
	for _, one := range subjects {
		if one.image == nil {
			files = append(files, one.name)
			targets = append(targets, r.target(one.name))
		}
	}
	return r.checkTargets(targets, files)
}

// checkTargets refuses to write bundles over what this run reads, and where they
// can't be written: once a signature is logged, it is too late.
func (r *Request) checkTargets(targets, files []string) error {
	if err := r.checkLines(); err != nil {
		return err
	}
	inputs := slices.Concat(r.inputs(), files)
	var read []os.FileInfo // of the inputs, once a target is there that could be one
	probed := map[string]bool{}
	for _, out := range targets {
		target, err := os.Stat(out)
		if err == nil && !target.Mode().IsRegular() {
			return unwritable(out, errors.New("the bundle can't be written over a directory, a pipe or a device"))
		}
		if err == nil && read == nil {
			read = statAll(inputs)
		}
		if i := slices.IndexFunc(read, func(info os.FileInfo) bool { return err == nil && info != nil && os.SameFile(info, target) }); i >= 0 {
			return unwritable(out, fmt.Errorf("the bundle would be written over %s, which is read here", inputs[i]))
		}
		if dir := filepath.Dir(out); !probed[dir] {
			probed[dir] = true
			if err := probe(dir); err != nil {
				return unwritable(out, fmt.Errorf("the bundle can't be written there: %w", err))
			}
		}
	}
	return r.checkReplaced(targets)
}

func unwritable(out string, err error) error {
	return &fault.Problem{Exit: fault.ExitUsage, Subject: out, Code: "unwritable", Err: err, Remedy: "other-bundle"}
}

// statAll leaves nil for what is not there.
func statAll(paths []string) []os.FileInfo {
	all := make([]os.FileInfo, len(paths))
	for i, path := range paths {
		if info, err := os.Stat(path); err == nil {
			all[i] = info
		}
	}
	return all
}

// probe writes a file into dir and takes it away again.
func probe(dir string) error {
	f, err := os.CreateTemp(dir, ".hallmark-*")
	if err != nil {
		return err
	}
	f.Close()
	return os.Remove(f.Name())
}

// checkReplaced refuses to sign if the bundle would replace a file that can't be read, which
// may be another signer's signature.
func (r *Request) checkReplaced(targets []string) error {
	if r.Add || r.Replace {
		return nil
	}
	for _, out := range targets {
		if _, err := os.Stat(out); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if _, err := find.ReadBundles(out); err != nil {
			p := fault.About(out, err).With("replace")
			p.Err = fmt.Errorf("it would be replaced, and is no bundle that can be read: %w", p.Err)
			return p
		}
	}
	return nil
}

// mayReplace reports whether all bundles of a file claim to be by the signer of ours, and
// to be a signature like it: a manifest is not replaced by the signature of one file, nor
// the other way round.
func mayReplace(file string, ours *bundle.Bundle) bool {
	there, err := find.ReadBundles(file)
	return err == nil && !slices.ContainsFunc(there, func(b *bundle.Bundle) bool {
		return !sameSigner(b, ours) || (b.Envelope == nil) != (ours.Envelope == nil)
	})
}

// sameSigner reports whether two bundles name the same identity, or the same key.
func sameSigner(a, b *bundle.Bundle) bool {
	if len(a.Certificates) == 0 || len(b.Certificates) == 0 {
		return len(a.Certificates) == len(b.Certificates) && a.KeyHint == b.KeyHint && a.KeyHint != ""
	}
	first, err := claimedIdentity(a)
	if err != nil {
		return false
	}
	second, err := claimedIdentity(b)
	return err == nil && first.Issuer == second.Issuer && first.Subject == second.Subject
}

func claimedIdentity(b *bundle.Bundle) (identity.Identity, error) {
	cert, err := x509.ParseCertificate(b.Certificates[0])
	if err != nil {
		return identity.Identity{}, err
	}
	return identity.FromCertificate(cert)
}

// write leaves a bundle at out, and returns the file that has it: beside others if it was
// asked for or they may not be replaced, else in place of the signer's own.
func (s *session) write(out string, raw []byte) (string, error) {
	if s.Add {
		return out, durable.AddLine(out, raw, 0o644)
	}
	ours, err := bundle.Parse(raw)
	if err != nil {
		return "", err
	}
	_, err = os.Stat(out)
	exists := err == nil
	if exists && !s.Replace && !mayReplace(out, ours) {
		s.remark("%s: kept, as it is by another signer or of another kind; --replace replaces it", out)
		lines := linesName(out)
		return lines, durable.AddLine(lines, raw, 0o644)
	}
	if exists {
		keep := "sign --add"
		if s.Bundle != "" {
			keep += " --bundle " + fault.Quoted(linesName(out))
		}
		s.remark("%s: replaced; '%s' keeps the signatures that are there", out, keep)
	}
	return out, durable.WriteFile(out, append(raw, '\n'), 0o644)
}

// linesName returns the name of the file of many bundles, beside that of one.
func linesName(out string) string {
	if strings.HasSuffix(out, ".jsonl") {
		return out
	}
	return strings.TrimSuffix(out, find.Suffix) + find.LinesSuffix
}

// checkLines refuses to add a line to a file that is read as one bundle.
func (r *Request) checkLines() error {
	if !r.Add || r.Bundle == "" || linesName(r.Bundle) == r.Bundle {
		return nil
	}
	return &fault.Problem{
		Exit: fault.ExitUsage, Subject: r.Bundle, Code: "usage", Err: errors.New("it is read as one bundle, and --add needs one that is read as many, one a line"),
		Remedy: "lines", Names: []string{linesName(r.Bundle)},
	}
}
