// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/keys"
	"github.com/hallmark-sign/hallmark/trust"
)

func options() Options {
	return Options{
		URL: "http://127.0.0.1:7500", Listen: "127.0.0.1:7500", Organization: "example",
		Passphrase: []byte("correct horse"), Now: time.Now(), CheapKeysUnsafe: true,
	}
}

// create returns a copy of one of two instances, as encrypting keys takes time.
func create(t *testing.T) string { return duplicate(t, "one") }

func duplicate(t *testing.T, which string) string {
	t.Helper()
	from := filepath.Join(templates, which)
	if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
		if _, err := Create(from, options()); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(t.TempDir(), "instance")
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "keys", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files { // CopyFS does not keep the mode
		if err := os.Chmod(file, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// templates holds the instances that tests copy.
var templates string

func TestMain(m *testing.M) {
	var err error
	if templates, err = os.MkdirTemp("", "hallmark-instance-"); err != nil {
		panic(err)
	}
	status := m.Run()
	os.RemoveAll(templates)
	os.Exit(status)
}

// TestCreateOpen checks that Open returns the keys and chains that Create made.
func TestCreateOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "instance")
	made, err := Create(dir, options())
	if err != nil {
		t.Fatal(err)
	}
	opened, err := Open(filepath.Join(dir, config.File), []byte("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	if !samePublic(made.Keys.CA.Public(), opened.Keys.CA.Public()) || !made.CAChain[0].Equal(opened.CAChain[0]) || !made.TSAChain[0].Equal(opened.TSAChain[0]) {
		t.Error("Open returned another instance than Create")
	}
	if curve := opened.Keys.CA.Public().(*ecdsa.PublicKey).Curve; curve != elliptic.P256() {
		t.Errorf("the intermediate is on %s", curve.Params().Name)
	}
	entries, err := os.ReadDir(filepath.Dir(dir))
	if err != nil || len(entries) != 1 {
		t.Errorf("something was left beside the instance: %v, %v", entries, err)
	}
}

// TestKeyFiles checks that every key is encrypted, and readable by its owner only.
func TestKeyFiles(t *testing.T) {
	create(t)
	dir := filepath.Join(templates, "one")
	for _, name := range []string{fileRoot, fileCA, fileTSA, fileRekor(0), fileCT, fileIssuer} {
		path := filepath.Join(dir, "keys", name)
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(raw), "-----BEGIN ENCRYPTED PRIVATE KEY-----") {
			t.Errorf("%s begins %.40q", name, raw)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", name, info.Mode().Perm())
		}
	}
}

// TestOfflineRoot checks that the root's key may be removed, and that every other key is
// needed.
func TestOfflineRoot(t *testing.T) {
	dir := create(t)
	path := filepath.Join(dir, config.File)
	if err := os.Remove(filepath.Join(dir, "keys", fileRoot)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, []byte("correct horse")); err != nil {
		t.Errorf("without the root's key: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "keys", fileTSA)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, []byte("correct horse")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without the timestamp authority's key: %v", err)
	}
}

func TestCreateRefuses(t *testing.T) {
	dir := create(t)
	before, err := os.ReadFile(filepath.Join(dir, config.File))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Create(dir, options()); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over an instance: %v", err)
	}
	if after, err := os.ReadFile(filepath.Join(dir, config.File)); err != nil || string(after) != string(before) {
		t.Errorf("the instance was changed: %v", err)
	}
	missing := filepath.Join(t.TempDir(), "new")
	for name, edit := range map[string]func(*Options){
		"no passphrase":     func(o *Options) { o.Passphrase = nil },
		"unknown key":       func(o *Options) { o.CAKey = "dsa-1024" },
		"plain HTTP":        func(o *Options) { o.URL = "http://sign.example.com" },
		"no URL":            func(o *Options) { o.URL = "" },
		"name without text": func(o *Options) { o.Organization = "" },
	} {
		o := options()
		edit(&o)
		if _, err := Create(missing, o); err == nil {
			t.Errorf("%s: no refusal", name)
		}
		if _, err := os.Stat(missing); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: something was made: %v", name, err)
		}
	}
}

// TestRotationInterrupted checks that a rotation which ends before the trusted root is written
// leaves only keys of the next log, so that it can be repeated.
func TestRotationInterrupted(t *testing.T) {
	dir := create(t)
	i, err := Open(filepath.Join(dir, config.File), []byte("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	rekor, note, err := i.NextKeys(Options{Passphrase: []byte("correct horse"), CheapKeysUnsafe: true})
	if err == nil {
		err = i.Rotate("http://localhost:7500", rekor, note, time.Now())
	}
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, "trust", trust.SigningConfigFile))
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(dir, "trust", trust.RootFile)
	if err := errors.Join(os.Remove(root), os.MkdirAll(filepath.Join(root, "obstacle"), 0o755)); err != nil {
		t.Fatal(err)
	}
	if err := i.WriteTrust(dir); err == nil {
		t.Fatal("a trusted root was written over a directory")
	}
	after, err := os.ReadFile(filepath.Join(dir, "trust", trust.SigningConfigFile))
	if err != nil || string(after) != string(before) {
		t.Errorf("clients are told of a log that the trusted root does not have: %v", err)
	}
	key, err := os.ReadFile(filepath.Join(dir, "trust", trust.LogKeyFile))
	if err != nil || !strings.HasPrefix(string(key), "localhost+") {
		t.Errorf("the key for witnesses, which nothing makes again after the trusted root, is %s, %v", key, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	good := []byte("correct horse")
	for name, c := range map[string]struct {
		spoil      func(t *testing.T, dir string)
		passphrase []byte
		want       string
	}{
		"wrong passphrase": {func(*testing.T, string) {}, []byte("wrong"), keys.ErrPassphrase.Error()},
		"no passphrase":    {func(*testing.T, string) {}, nil, keys.ErrPassphrase.Error()},
		"keys exchanged": {func(t *testing.T, dir string) {
			rename(t, filepath.Join(dir, "keys", fileRekor(0)), filepath.Join(dir, "keys", fileCT))
		}, good, "no such file"},
		"key of another": {func(t *testing.T, dir string) {
			rename(t, filepath.Join(duplicate(t, "another"), "keys", fileRekor(0)), filepath.Join(dir, "keys", fileRekor(0)))
		}, good, "the trusted root does not have its key"},
		"key not encrypted": {func(t *testing.T, dir string) {
			replaceFile(t, filepath.Join(dir, "keys", fileCA), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
		}, good, "not encrypted"},
		"key for all to read": {func(t *testing.T, dir string) {
			if runtime.GOOS == "windows" {
				t.Skip("no such modes")
			}
			if err := os.Chmod(filepath.Join(dir, "keys", fileCA), 0o644); err != nil {
				t.Fatal(err)
			}
		}, good, keys.ErrExposed.Error()},
		"trusted root cut": {func(t *testing.T, dir string) {
			replaceFile(t, filepath.Join(dir, "trust", trust.RootFile), "{")
		}, good, trust.ErrMalformed.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			dir := create(t)
			c.spoil(t, dir)
			if _, err := Open(filepath.Join(dir, config.File), c.passphrase); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func replaceFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
