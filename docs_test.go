// SPDX-License-Identifier: Apache-2.0

package hallmark_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestLinks checks that each relative link of a document leads to a file, and its anchor
// to a heading of that file.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]*)\)`)
	code := regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")
	err := fs.WalkDir(os.DirFS("."), ".", func(page string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git") {
			return filepath.SkipDir
		}
		if filepath.Ext(page) != ".md" {
			return nil
		}
		raw, err := os.ReadFile(page)
		for _, match := range link.FindAllStringSubmatch(code.ReplaceAllString(string(raw), ""), -1) {
			if strings.Contains(match[1], ":") {
				continue
			}
			file, anchor, _ := strings.Cut(match[1], "#")
			target := page
			if file != "" {
				target = filepath.Join(filepath.Dir(page), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %s: no such file", page, match[1])
			} else if anchor != "" && !headings(t, target)[anchor] {
				t.Errorf("%s: %s: no such heading", page, match[1])
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// headings returns the anchors of a page's headings.
func headings(t *testing.T, page string) map[string]bool {
	t.Helper()
	raw, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	anchors := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(string(raw), -1) {
		anchor := regexp.MustCompile(`[^\pL\pN _-]`).ReplaceAllString(strings.ToLower(match[1]), "")
		anchors[strings.ReplaceAll(anchor, " ", "-")] = true
	}
	return anchors
}
