// SPDX-License-Identifier: Apache-2.0

package trust_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/hallmark-sign/hallmark/trust"
)

// published returns the smallest files of an instance, without a log policy.
func published(t *testing.T) map[string][]byte {
	t.Helper()
	root, err := new(trust.Root).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	config, err := (&trust.SigningConfig{CertificateAuthorities: []trust.Service{{URL: "https://sign.example.com", APIVersion: 1, Validity: trust.Validity{Start: time.Unix(1, 0)}}}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{trust.RootFile: root, trust.SigningConfigFile: config}
}

func material(t *testing.T, files map[string][]byte) *trust.Material {
	t.Helper()
	m, err := trust.ParseMaterial(files)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestFingerprintForm checks that both fingerprints keep their form, since people have
// written them down.
func TestFingerprintForm(t *testing.T) {
	files := published(t)
	files[trust.LogPolicyFile] = []byte("quorum none\n")
	var lines, older []byte
	for _, name := range []string{"log_policy", "signing_config.v0.2.json", "trusted_root.json"} {
		lines = fmt.Appendf(lines, "%d:%s %d %x\n", len(name), name, len(files[name]), sha256.Sum256(files[name]))
	}
	for _, name := range []string{"trusted_root.json", "signing_config.v0.2.json", "log_policy"} {
		older = append(older, files[name]...)
	}
	m := material(t, files)
	if want := fmt.Sprintf("%x", sha256.Sum256(lines)); m.Fingerprint() != want || !m.Matches(strings.ToUpper(want)) {
		t.Errorf("fingerprint %s, want %s", m.Fingerprint(), want)
	}
	if want := fmt.Sprintf("%x", sha256.Sum256(older)); m.OlderFingerprint() != want || !m.Matches(want) {
		t.Errorf("older fingerprint %s, want %s", m.OlderFingerprint(), want)
	}
	for _, other := range []string{"", m.Fingerprint()[:63], m.Fingerprint() + "0", strings.Repeat("0", 64), m.OlderFingerprint()[1:]} {
		if m.Matches(other) {
			t.Errorf("matches %q", other)
		}
	}
}

// TestFingerprintCoversAll checks that every change of a file that clients act on changes
// the fingerprint, even a byte of white space.
func TestFingerprintCoversAll(t *testing.T) {
	seen := map[string]string{}
	for name, edit := range map[string]func(map[string][]byte){
		"as it is":     func(map[string][]byte) {},
		"root":         func(f map[string][]byte) { f[trust.RootFile] = append(f[trust.RootFile], '\n') },
		"config":       func(f map[string][]byte) { f[trust.SigningConfigFile] = append(f[trust.SigningConfigFile], '\n') },
		"policy":       func(f map[string][]byte) { f[trust.LogPolicyFile] = []byte("quorum none\n") },
		"other policy": func(f map[string][]byte) { f[trust.LogPolicyFile] = []byte("#\nquorum none\n") },
		"moved newline": func(f map[string][]byte) {
			f[trust.SigningConfigFile] = append([]byte("\n"), f[trust.SigningConfigFile]...)
		},
	} {
		files := published(t)
		edit(files)
		print := material(t, files).Fingerprint()
		if before, ok := seen[print]; ok {
			t.Errorf("%s has the fingerprint of %s", name, before)
		}
		seen[print] = name
	}
}

func TestMaterialRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(map[string][]byte)
		want error
	}{
		"unknown file":      {func(f map[string][]byte) { f["root.json"] = []byte("{}") }, trust.ErrMalformed},
		"path":              {func(f map[string][]byte) { f["../"+trust.RootFile] = f[trust.RootFile] }, trust.ErrMalformed},
		"case":              {func(f map[string][]byte) { f["LOG_POLICY"] = []byte("quorum none\n") }, trust.ErrMalformed},
		"key for witnesses": {func(f map[string][]byte) { f[trust.LogKeyFile] = []byte("x") }, trust.ErrMalformed},
		"no root":           {func(f map[string][]byte) { delete(f, trust.RootFile) }, fs.ErrNotExist},
		"no config":         {func(f map[string][]byte) { delete(f, trust.SigningConfigFile) }, fs.ErrNotExist},
		"nil root":          {func(f map[string][]byte) { f[trust.RootFile] = nil }, trust.ErrMalformed},
		"empty policy":      {func(f map[string][]byte) { f[trust.LogPolicyFile] = nil }, trust.ErrMalformed},
		"long policy":       {func(f map[string][]byte) { f[trust.LogPolicyFile] = bytes.Repeat([]byte("#\n"), 64<<10) }, trust.ErrMalformed},
		"long root": {func(f map[string][]byte) {
			f[trust.RootFile] = append(f[trust.RootFile], bytes.Repeat([]byte(" "), trust.MaxSize)...)
		}, trust.ErrMalformed},
		"config behind root": {func(f map[string][]byte) {
			f[trust.RootFile] = append(f[trust.RootFile], f[trust.SigningConfigFile]...)
		}, trust.ErrMalformed},
		"policy behind config": {func(f map[string][]byte) {
			f[trust.SigningConfigFile] = append(f[trust.SigningConfigFile], "quorum none\n"...)
		}, trust.ErrMalformed},
	} {
		files := published(t)
		c.edit(files)
		if _, err := trust.ParseMaterial(files); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

// TestReadMaterial checks that files read from a directory have the same fingerprint, and
// that other files in the directory are ignored.
func TestReadMaterial(t *testing.T) {
	files := published(t)
	dir := fstest.MapFS{"ca.pem": {Data: []byte("x")}, "url": {Data: []byte("x")}}
	for name, data := range files {
		dir[name] = &fstest.MapFile{Data: data}
	}
	m, err := trust.ReadMaterial(dir)
	if err != nil {
		t.Fatal(err)
	}
	same := material(t, maps.Clone(files))
	files[trust.RootFile][0] = 'x'
	if m.Fingerprint() != same.Fingerprint() {
		t.Error("the fingerprint is another one from a directory")
	}
	if data, ok := m.File(trust.LogPolicyFile); ok || data != nil {
		t.Errorf("a log policy %q", data)
	}
	for name, file := range map[string]*fstest.MapFile{
		"directory": {Mode: fs.ModeDir}, "pipe": {Mode: fs.ModeNamedPipe}, "long": {Data: bytes.Repeat([]byte("#\n"), 64<<10)},
	} {
		dir[trust.LogPolicyFile] = file
		if _, err := trust.ReadMaterial(dir); err == nil {
			t.Errorf("%s: no refusal", name)
		}
	}
}
