// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// cosign2Binary is built by a separate module, which takes minutes with an empty build cache;
// see TestDocumentedImages.
var cosign2Binary = build("cosign2", "github.com/sigstore/cosign/v2/cmd/cosign", "cosign2")

// documented returns the commands of a program in the blocks of a page, each on one line.
func documented(t *testing.T, page, program string) []string {
	t.Helper()
	var all []string
	open := false
	for line := range strings.Lines(strings.ReplaceAll(string(read(t, page)), "\\\n", " ")) {
		command := strings.TrimPrefix(strings.TrimSpace(line), "$ ")
		if strings.HasPrefix(command, "```") {
			open = !open
		} else if open && strings.HasPrefix(command, program+" ") {
			all = append(all, command)
		}
	}
	return all
}

// cosignPages lists the pages with commands of cosign, and which test runs them.
var cosignPages = map[string]string{
	"../docs/guides/own-instance.md": "TestDocumentedFiles",
	"../docs/guides/containers.md":   "TestDocumentedImages",
	"../docs/guides/air-gap.md":      "TestDocumentedImages",
}

// TestDocumentedPages checks that cosignPages has every page with commands of cosign.
func TestDocumentedPages(t *testing.T) {
	pages := []string{"../README.md"}
	err := filepath.WalkDir("../docs", func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".md" {
			pages = append(pages, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		if all := documented(t, page, "cosign"); len(all) > 0 && cosignPages[page] == "" {
			t.Errorf("%s: no test runs %q", page, all)
		}
	}
}

// TestDocumentedFiles runs cosign's commands on files, as the guide has them but for the
// names in them.
func TestDocumentedFiles(t *testing.T) {
	r := newRequest(t)
	names := strings.NewReplacer("release.tar.gz.sigstore.json", r.bundle, "release.tar.gz", r.file, "alice@example.com", r.identity,
		"URL", r.issuer, "trusted_root.json", r.trustedRoot, "signing_config.v0.2.json", r.signingConfig, "token.txt", r.token)
	all := documented(t, "../docs/guides/own-instance.md", "cosign")
	if len(all) != 2 {
		t.Errorf("%d commands of cosign are documented, want 2: %q", len(all), all)
	}
	for _, command := range all {
		if err := cosign(t, strings.Fields(names.Replace(command))[1:]...); err != nil {
			t.Errorf("cosign: %s: %v", command, err)
		}
	}
}

// TestDocumentedImages runs cosign's commands on images, as the guides have them but for the
// names in them. Cosign 2 takes minutes to build, so it is run where that was done
// before, and at night.
func TestDocumentedImages(t *testing.T) {
	r := newRequest(t)
	i := registries()["distribution v3"](t).push(t)
	for _, args := range [][]string{{"sign"}, {"attest", "--type", "spdx", "--predicate", r.predicate}} {
		args = append(args, "--compat", "cosign2", "--trusted-root", r.trustedRoot, "--signing-config", r.signingConfig, "--identity-token", r.token)
		if err := i.run(t, hallmarkBinary, args...); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(i.home, "release")
	if err := between(t, i, i, "save", i.image, dir); err != nil {
		t.Fatal(err)
	}
	names := strings.NewReplacer("registry.example.com/app@sha256:HEX", i.image, "mirror.internal/app:v1", laxRegistry(t, i.home).host+"/app:v1", "alice@example.com", r.identity,
		"URL", r.issuer, "trusted_root.json", r.trustedRoot, "release/", dir)
	all := append(documented(t, "../docs/guides/containers.md", "cosign"), documented(t, "../docs/guides/air-gap.md", "cosign")...)
	if len(all) != 4 {
		t.Errorf("%d commands of cosign are documented, want 4: %q", len(all), all)
	}
	for _, command := range all {
		args := strings.Fields(names.Replace(command))[1:]
		older := strings.Contains(command, "--insecure-ignore-tlog")
		if older && haveCosign2() {
			bin, err := cosign2Binary()
			require(t, "cosign 2", err)
			if err := runAt(t, i.home, bin, args...); err != nil {
				t.Errorf("cosign 2: %s: %v", command, err)
			}
		}
		if older {
			args = append(args, "--new-bundle-format=false")
		}
		bin, err := cosignBinary()
		require(t, "cosign", err)
		if err := runAt(t, i.home, bin, args...); err != nil {
			t.Errorf("cosign 3: %s: %v", command, err)
		}
	}
	if !haveCosign2() {
		t.Log("COSIGN 2 HAS NOT JUDGED: it is built with HALLMARK_CI=nightly, or by 'go -C interop/cosign2 build -o CACHE/hallmark-interop/cosign2 …'")
	}
}

// haveCosign2 reports whether cosign 2 was built before, or there is time to do so.
func haveCosign2() bool {
	cache, err := os.UserCacheDir()
	if err != nil {
		return false
	}
	_, err = exec.LookPath(filepath.Join(cache, "hallmark-interop", "cosign2"))
	return err == nil || os.Getenv("HALLMARK_CI") == "nightly"
}
