// SPDX-License-Identifier: Apache-2.0

// Command release builds the archives of a release: one for each platform, their
// checksums and a bill of materials. The same commit and Go version give the same
// bytes: builds are trimmed, and archives have the time of the commit.
//
//	go run ./deploy/release -out dist
package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

func main() {
	out := flag.String("out", "dist", "directory to write; it must be empty or absent")
	platforms := flag.String("platforms", "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64,windows/amd64,windows/arm64", "platforms to build for")
	flag.Parse()
	if err := release(*out, strings.Split(*platforms, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// commands returns the binaries of an archive.
func commands() []string { return []string{"hallmark", "hallmark-verify"} }

func release(out string, platforms []string) error {
	if entries, err := os.ReadDir(out); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty", out)
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	at, err := commitTime()
	if err != nil {
		return err
	}
	var version string
	var built []binary
	for _, platform := range platforms {
		binaries, err := build(platform)
		if err != nil {
			return fmt.Errorf("building for %s: %w", platform, err)
		}
		version = strings.Trim(binaries[0].info.Main.Version, "()")
		name, raw, err := archive(version, platform, binaries, at)
		if err != nil {
			return fmt.Errorf("archiving for %s: %w", platform, err)
		}
		if err := os.WriteFile(filepath.Join(out, name), raw, 0o644); err != nil {
			return err
		}
		fmt.Println(name)
		built = append(built, binaries...)
	}
	bill, err := json.MarshalIndent(describe(version, built, at), "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(out, "hallmark-"+version+".spdx.json"), append(bill, '\n'), 0o644); err != nil {
		return err
	}
	return sums(out)
}

// commitTime returns the time of the commit that is checked out. Changes that are
// not committed are an error, because others could not build the same bytes.
func commitTime() (time.Time, error) {
	changed, err := exec.Command("git", "status", "--porcelain").Output()
	if err != nil {
		return time.Time{}, fmt.Errorf("asking git for changes: %w", err)
	}
	if len(changed) > 0 {
		return time.Time{}, errors.New("there are changes that are not committed")
	}
	stamp, err := exec.Command("git", "show", "-s", "--format=%cI", "HEAD").Output()
	if err != nil {
		return time.Time{}, fmt.Errorf("asking git for the time of the commit: %w", err)
	}
	return time.Parse(time.RFC3339, strings.TrimSpace(string(stamp)))
}

// A binary is one command, built for one platform.
type binary struct {
	platform, name string // name of the file, with .exe on Windows
	raw            []byte
	info           *buildinfo.BuildInfo
}

func build(platform string) ([]binary, error) {
	dir, err := os.MkdirTemp("", "hallmark-release")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	system, architecture, _ := strings.Cut(platform, "/")
	args := []string{"build", "-trimpath", "-buildvcs=true", "-ldflags=-s -w -buildid=", "-o", dir + string(filepath.Separator)}
	for _, command := range commands() {
		args = append(args, "./cmd/"+command)
	}
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "GOOS="+system, "GOARCH="+architecture, "CGO_ENABLED=0", "GOFLAGS=", "GOAMD64=v1", "GOARM64=v8.0")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, err
	}
	var all []binary
	for _, command := range commands() {
		if system == "windows" {
			command += ".exe"
		}
		raw, err := os.ReadFile(filepath.Join(dir, command))
		if err != nil {
			return nil, err
		}
		info, err := buildinfo.Read(bytes.NewReader(raw))
		if err != nil {
			return nil, err
		}
		if info.GoVersion != runtime.Version() {
			return nil, fmt.Errorf("built with %s, want %s", info.GoVersion, runtime.Version())
		}
		all = append(all, binary{platform, command, raw, info})
	}
	return all, nil
}

// sums writes SHA256SUMS, in the format of sha256sum, over all files of dir.
func sums(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var lines []string
	for _, e := range entries {
		raw, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		lines = append(lines, fmt.Sprintf("%x  %s\n", sha256.Sum256(raw), e.Name()))
	}
	slices.Sort(lines)
	return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(strings.Join(lines, "")), 0o644)
}
