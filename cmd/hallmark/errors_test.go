// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/verify"
)

// TestErrorsAreDocumented checks that docs/reference/errors.md has every code that can be
// printed, and no other.
func TestErrorsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", "errors.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*?`) \\|").FindAllStringSubmatch(string(doc), -1) {
		for name := range strings.SplitSeq(row[1], ", ") {
			documented[strings.Trim(name, "`")] = true
		}
	}
	given := codesInSource(t)
	for _, code := range verify.Codes() {
		given[string(code)] = true
	}
	for _, what := range []string{"passphrase", "password"} { // environment.secret
		given["no-"+what], given[what+"-mismatch"] = true, true
	}
	for code := range given {
		if !documented[code] {
			t.Errorf("%s is not in docs/reference/errors.md", code)
		}
	}
	for code := range documented {
		if !given[code] {
			t.Errorf("docs/reference/errors.md has %s, which nothing gives", code)
		}
	}
}

func codesInSource(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, room := range []string{"fault", "find", "judge", "report", "lookup", "signing", "ownlog", "cli", "describe", "images", "operate", "readlog", "trial", "trusting", "verifying"} {
		shared, err := filepath.Glob("../../internal/" + room + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, shared...)
	}
	codes := map[string]bool{}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile(`Code: "([a-z-]+)"[,}]`).FindAllSubmatch(source, -1) {
			codes[string(found[1])] = true
		}
	}
	return codes
}
