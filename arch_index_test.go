// SPDX-License-Identifier: Apache-2.0

package hallmark_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestPackageList checks that the root package's documentation has one line for each
// package, and none for a package that does not exist.
func TestPackageList(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	listed := []string{}
	for _, match := range regexp.MustCompile(`(?m)^//\t(\S+) +\S`).FindAllSubmatch(text, -1) {
		listed = append(listed, string(match[1]))
	}
	elsewhere := []string{"bench", "interop"} // directories without a room in the architecture
	for _, u := range units(t) {
		if !slices.Contains(listed, u.room) {
			t.Errorf("doc.go has no line for %s", u.room)
		}
		elsewhere = append(elsewhere, u.room)
	}
	for i, name := range listed {
		if !slices.Contains(elsewhere, name) || slices.Contains(listed[:i], name) {
			t.Errorf("doc.go has a line for %s, which is no package or has a line already", name)
		}
	}
}

// TestLibraryList checks that docs/library.md names each public package that is not
// below wire/, which it names as a whole.
func TestLibraryList(t *testing.T) {
	text, err := os.ReadFile("docs/library.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range units(t) {
		if u.Name != "main" && !strings.HasPrefix(u.room, "internal/") && !strings.HasPrefix(u.room, "wire/") && !strings.Contains(string(text), "`"+u.room+"`") {
			t.Errorf("docs/library.md does not name %s", u.room)
		}
	}
}
