// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/hallmark-sign/hallmark/trust"
)

// variable is the environment variable that names the instance to use.
const variable = "HALLMARK_INSTANCE"

// Files of an instance beside those of [trust.Files].
const (
	URLFile         = "url"    // URL of the instance when it was pinned; builds before 2026-12 wrote none
	AuthoritiesFile = "ca.pem" // certificates of the private authority that issued its TLS certificate, if any
)

// ErrName reports a text that is not the name of an instance.
var ErrName = errors.New("not a name of an instance")

// A Store is the directory with a client's pinned trust material:
//
//	DIR/default                 name of the default instance
//	DIR/instances/NAME/FILE     each of [trust.Files], URLFile, AuthoritiesFile
type Store struct{ Dir string }

// Open returns the user's store: HALLMARK_HOME, or a directory in the configuration folder.
func Open(getenv func(string) string) (Store, error) {
	if dir := getenv("HALLMARK_HOME"); dir != "" {
		return Store{dir}, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return Store{}, fmt.Errorf("finding the configuration folder: %w; set HALLMARK_HOME", err)
	}
	return Store{filepath.Join(dir, "hallmark")}, nil
}

// isName reports whether name may name an instance. Paths may not.
func isName(name string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	return name != "" && len(name) <= 100 && strings.Contains(letters, name[:1]) && strings.Trim(name, letters+"._-") == ""
}

// Instance returns the directory of an instance, which may be missing. Errors: [ErrName].
func (s Store) Instance(name string) (string, error) {
	if !isName(name) {
		return "", fmt.Errorf("%q is %w: want letters, digits, dots, dashes", name, ErrName)
	}
	return filepath.Join(s.Dir, "instances", name), nil
}

// A NoInstance reports that an instance is not pinned, or that none was selected.
type NoInstance struct {
	Name   string   // of the selected instance; empty if none was selected
	Pinned []string // names to choose from, if none was selected
}

// Error names the missing instance.
func (e *NoInstance) Error() string {
	switch {
	case e.Name != "":
		return "this client does not know the instance " + e.Name
	case len(e.Pinned) > 0:
		return "there is no default instance"
	}
	return "this client trusts no instance yet"
}

// Select returns the directory of the named instance, which may be missing. If name is
// empty, it selects the instance that HALLMARK_INSTANCE names, or else the default. Errors:
// [ErrName], [*NoInstance].
func (s Store) Select(name string, getenv func(string) string) (string, error) {
	if name == "" {
		name = getenv(variable)
	}
	if name == "" {
		var err error
		if name, err = s.Default(); err != nil {
			return "", err
		}
	}
	if name == "" {
		pinned, err := s.List()
		if err != nil {
			return "", err
		}
		return "", &NoInstance{Pinned: pinned}
	}
	return s.Instance(name)
}

// File returns the path of a file in the directory of an instance. Errors: [*NoInstance], if
// there is no such file.
func File(dir, name string) (string, error) {
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", &NoInstance{Name: filepath.Base(dir)}
	}
	return path, nil
}

// DefaultFile returns the path of the file with the name of the default instance.
func (s Store) DefaultFile() string { return filepath.Join(s.Dir, "default") }

// Default returns the name of the default instance, which is empty if there is none.
func (s Store) Default() (string, error) {
	raw, err := os.ReadFile(s.DefaultFile())
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(raw)), err
}

// List returns the names of all instances.
func (s Store) List() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.Dir, "instances"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, entry := range entries {
		if entry.IsDir() && isName(entry.Name()) {
			names = append(names, entry.Name())
		}
	}
	return names, err
}

// Read reads the pinned trust material in the directory of an instance.
func Read(dir string) (*trust.Material, error) { return trust.ReadMaterial(os.DirFS(dir)) }

// maxURL bounds the size of a URLFile, in bytes.
const maxURL = 8 << 10

// URL returns the URL from which m was pinned in dir. If there is no URLFile, it returns the
// URL of the certificate authority, which is the URL of an instance of hallmark.
func URL(dir string, m *trust.Material) (string, error) {
	f, err := os.Open(filepath.Join(dir, URLFile))
	if all := m.SigningConfig.CertificateAuthorities; errors.Is(err, fs.ErrNotExist) && len(all) > 0 {
		return all[0].URL, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxURL+1))
	if err == nil && len(raw) > maxURL {
		err = fmt.Errorf("%s: more than %d bytes", f.Name(), maxURL)
	}
	return strings.TrimSpace(string(raw)), err
}

// Name returns the default name of an instance at base: its host, with the port if there is
// one.
func Name(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	return strings.Trim(strings.NewReplacer(":", "-", "[", "", "]", "").Replace(u.Host), "-.")
}
