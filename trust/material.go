// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

// Names of the files of a Material, in the trust directory of an instance, under its URL
// and in the directory where a client pins them.
const (
	RootFile          = "trusted_root.json"
	SigningConfigFile = "signing_config.v0.2.json"

	// LogPolicyFile is optional. It lists the witnesses that must have cosigned the
	// instance's logs, since the trusted root has no field for witnesses.
	LogPolicyFile = "log_policy"
)

// LogKeyFile is published beside the Material: the verifier key of the log that takes
// entries, for the configuration of witnesses. Clients do not act on it, and the
// fingerprint does not cover it.
const LogKeyFile = "rekor.vkey"

// File describes a file of a Material.
type File struct {
	Name     string
	Purpose  string // one line, for people
	MaxSize  int64  // bytes
	Optional bool

	parse func(*Material, []byte) error
}

// files lists the files of a Material, in the order in which people read them. Every file
// listed here is fetched, checked, covered by the fingerprint, pinned and served.
var files = []File{
	{Name: RootFile, Purpose: "trusted root: the keys for verifying, also for other Sigstore clients", MaxSize: MaxSize, parse: (*Material).parseRoot},
	{Name: SigningConfigFile, Purpose: "signing config: the services for signing", MaxSize: MaxSize, parse: (*Material).parseSigningConfig},
	{Name: LogPolicyFile, Purpose: "log policy: the witnesses that must have cosigned the log", MaxSize: checkpoint.MaxWitnessPolicy, Optional: true, parse: (*Material).parseLogPolicy},
}

// Files returns descriptions of all files that a Material may have.
func Files() []File { return slices.Clone(files) }

// A Material is the set of files that an instance publishes for its clients. The fields are
// the parsed contents.
type Material struct {
	Root          *Root
	SigningConfig *SigningConfig
	LogPolicy     *checkpoint.WitnessPolicy // nil without LogPolicyFile

	raw map[string][]byte
}

// ParseMaterial checks and parses files by name. It refuses unknown names, and missing
// files that are not optional. Errors: ErrMalformed, fs.ErrNotExist.
func ParseMaterial(raw map[string][]byte) (*Material, error) {
	m := &Material{raw: map[string][]byte{}}
	for _, f := range files {
		data, ok := raw[f.Name]
		if !ok && f.Optional {
			continue
		}
		if !ok {
			return nil, fmt.Errorf("%s: %w", f.Name, fs.ErrNotExist)
		}
		if int64(len(data)) > f.MaxSize {
			return nil, fmt.Errorf("%s: %w: longer than %d bytes", f.Name, ErrMalformed, f.MaxSize)
		}
		if err := f.parse(m, data); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		m.raw[f.Name] = slices.Clone(data)
	}
	for name := range raw {
		if _, ok := m.raw[name]; !ok {
			return nil, fmt.Errorf("%.100q: %w: instances publish no such file", name, ErrMalformed)
		}
	}
	return m, nil
}

func (m *Material) parseRoot(data []byte) (err error) {
	m.Root, err = Parse(data)
	return err
}

func (m *Material) parseSigningConfig(data []byte) (err error) {
	m.SigningConfig, err = ParseSigningConfig(data)
	return err
}

func (m *Material) parseLogPolicy(data []byte) error {
	p, err := checkpoint.ParseWitnessPolicy(data)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	m.LogPolicy = &p
	return nil
}

// ReadMaterial reads the files of a Material from a directory, such as os.DirFS(dir), and
// ignores all others. Errors: those of ParseMaterial.
func ReadMaterial(dir fs.FS) (*Material, error) {
	raw := map[string][]byte{}
	for _, f := range files {
		data, err := f.read(dir)
		if f.Optional && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		raw[f.Name] = data
	}
	return ParseMaterial(raw)
}

// read reads one byte more than ParseMaterial allows, at most.
func (f File) read(dir fs.FS) ([]byte, error) {
	info, err := fs.Stat(dir, f.Name) // opening a pipe would block
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", f.Name)
	}
	file, err := dir.Open(f.Name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, f.MaxSize+1))
}

// File returns the bytes of a file, and whether the Material has it.
func (m *Material) File(name string) (data []byte, ok bool) {
	data, ok = m.raw[name]
	return data, ok
}

// Fingerprint returns the SHA-256, in hexadecimal, of one line for each file, sorted by
// name:
//
//	LENGTH OF NAME ":" NAME " " LENGTH " " SHA-256 IN HEXADECIMAL "\n"
//
//	10:log_policy 412 6e340b9c…
//	24:signing_config.v0.2.json 1290 96a296d2…
//	17:trusted_root.json 8417 a06bb1cf…
//
// It covers every file that a client acts on, so it changes if a file is replaced, removed
// or added.
func (m *Material) Fingerprint() string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(m.raw)) {
		fmt.Fprintf(h, "%d:%s %d %x\n", len(name), name, len(m.raw[name]), sha256.Sum256(m.raw[name]))
	}
	return sum(h)
}

// OlderFingerprint returns the fingerprint that builds before 2026-12 showed: the SHA-256
// of trusted root, signing config and log policy, one after the other. Only white space
// could move from one file to the next, because [ParseMaterial] refuses trailing data. No
// input of this hash is one of [Material.Fingerprint], because JSON begins with no digit.
func (m *Material) OlderFingerprint() string {
	h := sha256.New()
	for _, name := range []string{RootFile, SigningConfigFile, LogPolicyFile} {
		h.Write(m.raw[name])
	}
	return sum(h)
}

// Matches reports whether fingerprint is that of m, in the present form or the older one.
func (m *Material) Matches(fingerprint string) bool {
	given := []byte(strings.ToLower(fingerprint))
	present := subtle.ConstantTimeCompare(given, []byte(m.Fingerprint()))
	older := subtle.ConstantTimeCompare(given, []byte(m.OlderFingerprint()))
	return present|older == 1
}

func sum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }
