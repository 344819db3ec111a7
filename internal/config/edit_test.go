// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"strings"
	"testing"
)

const commented = `# our instance
url: https://sign.example.com   # never changes
listen: 127.0.0.1:7500

# who may sign
issuers:
  # the partners
  - url: https://login.partner.example.com
    type: email

  # CI
  - url: https://token.actions.githubusercontent.com
    type: github
    allow:
      - repository_owner: octo-org   # us

# at the end
evidence:
  enabled: true
`

func TestEditKeepsComments(t *testing.T) {
	added, err := AddIssuer([]byte(commented), Issuer{URL: "https://gitlab.corp.example.com", Type: "gitlab", Audience: DefaultAudience})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(commented, "octo-org   # us\n", "octo-org   # us\n  - url: https://gitlab.corp.example.com\n    audience: sigstore\n    type: gitlab\n", 1)
	if string(added) != want {
		t.Errorf("got\n%s", added)
	}
	removed, err := RemoveIssuer(added, "https://gitlab.corp.example.com")
	if err != nil || string(removed) != commented {
		t.Errorf("%v, got\n%s", err, removed)
	}
	removed, err = RemoveIssuer([]byte(commented), "https://login.partner.example.com")
	if want := strings.Replace(commented, "  # the partners\n  - url: https://login.partner.example.com\n    type: email\n", "", 1); err != nil || string(removed) != want {
		t.Errorf("%v, got\n%s", err, removed)
	}
	if removed, err = RemoveIssuer(removed, "https://token.actions.githubusercontent.com"); err != nil || strings.Contains(string(removed), "issuers") || !strings.Contains(string(removed), "# at the end\n") {
		t.Errorf("%v, got\n%s", err, removed)
	}
	if added, err = AddIssuer(removed, Issuer{URL: "https://a.example.com", Type: "email", Audience: DefaultAudience}); err != nil || !strings.HasSuffix(string(added), "issuers:\n  - url: https://a.example.com\n    audience: sigstore\n    type: email\n") {
		t.Errorf("%v, got\n%s", err, added)
	}
}

func TestEditRefuses(t *testing.T) {
	one := Issuer{URL: "https://a.example.com", Type: "email", Audience: DefaultAudience}
	base := "url: https://sign.example.com\nlisten: 127.0.0.1:7500\n"
	for what, raw := range map[string]string{
		"a list in one line": base + "issuers: [{url: https://b.example.com, type: email}]\n",
		"an empty list":      base + "issuers: []\n",
		"an item in a line":  base + "issuers:\n  - {url: https://b.example.com, type: email}\n",
		"no YAML":            "}{",
	} {
		if got, err := AddIssuer([]byte(raw), one); err == nil {
			t.Errorf("%s: got\n%s", what, got)
		}
	}
	if _, err := AddIssuer([]byte(commented), Issuer{URL: "https://login.partner.example.com", Type: "email"}); !errors.Is(err, errIssuerExists) {
		t.Errorf("got %v", err)
	}
	if _, err := RemoveIssuer([]byte(commented), "https://other.example.com"); !errors.Is(err, ErrIssuerUnknown) {
		t.Errorf("got %v", err)
	}
	if _, err := AddIssuer([]byte(base), Issuer{URL: "http://a.example.com", Type: "email"}); err == nil {
		t.Error("plain HTTP is accepted")
	}
}

// TestEditOddTexts checks that values of any form can be added and removed again, also at
// the end of the file.
func TestEditOddTexts(t *testing.T) {
	text, _, _ := strings.Cut(commented, "# at the end")
	atEnd := strings.TrimSuffix(text, "\n")
	for _, text := range []string{"a\nb", "a\n\n  b\n", "\n\n\n a", " a", "a: b", "#x", "&a", "*a", "'", "\"", "|", "\t", "\u0085", "null", "- a", "a # b", "\r\n", "{a", "---"} {
		one := Issuer{URL: "https://a.example.com", Type: "email", Audience: text, Allow: []Rule{{text: Patterns{text}}}}
		for _, file := range []string{commented, atEnd} {
			added, err := AddIssuer([]byte(file), one)
			if err != nil {
				t.Errorf("%q: %v", text, err)
				continue
			}
			if removed, err := RemoveIssuer(added, one.URL); err != nil || string(removed) != file {
				t.Errorf("%q: %v, got\n%s", text, err, removed)
			}
		}
	}
	// YAML counts these as the ends of lines, and editors don't.
	for _, comment := range []string{"# a\u2028b\n", "# a\u0085b\n", "# a\r# b\n"} {
		if got, err := RemoveIssuer([]byte(comment+commented), "https://login.partner.example.com"); err == nil {
			t.Errorf("%q: got\n%s", comment, got)
		}
	}
}
