// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"strings"
	"testing"
)

// TestMisnamed checks that the errors of invalid image names state the reason, and propose the
// name that is probably meant.
func TestMisnamed(t *testing.T) {
	t.Parallel()
	hex := strings.Repeat("ab", 32)
	for text, want := range map[string]struct{ reason, try string }{
		"127.0.0.1:99999/app:v1":                   {"has a port above 65535", ""},
		"https://r.io/app:v1":                      {"remove https://", "r.io/app:v1"},
		"HTTP://r.io:5000/app:v1":                  {"remove HTTP://", "r.io:5000/app:v1"},
		"docker://r.io/app@sha256:" + hex:          {"remove docker://", "r.io/app@sha256:" + hex},
		"oci://r.io/app:v1":                        {"remove oci://", "r.io/app:v1"},
		"docker://r.io/App:v1":                     {"remove docker://", ""},
		"r.io/App/B:V1":                            {"lower case", "r.io/app/b:V1"},
		"R.io/app":                                 {"missing", "R.io/app:TAG"},
		"localhost:5000/app:v1+build.2":            {"has no +", "localhost:5000/app:v1_build.2"},
		"r.io/app:-x":                              {`"-x" is not a tag`, ""},
		"r.io/app:" + strings.Repeat("x", 129):     {"up to 128", ""},
		"r.io/app:":                                {"missing", "r.io/app:TAG"},
		"r.io:5000/app":                            {"missing", "r.io:5000/app:TAG"},
		"r.io/app@sha256:abcdef":                   {"64 hexadecimal digits, but this one has 6", "r.io/app:TAG"},
		"r.io/app:v1@sha256:" + hex + "0":          {"but this one has 65", "r.io/app:TAG"},
		"r.io/app@sha256:" + strings.ToUpper(hex):  {"lower case", "r.io/app@sha256:" + hex},
		"r.io/app@" + hex:                          {"not a SHA-256 digest", "r.io/app@sha256:" + hex},
		"r.io/app@abcdef":                          {"not a SHA-256 digest", ""},
		"r.io/app@sha512:" + hex + hex:             {"SHA-512 is not supported", ""},
		"r.io/app@sha384:" + hex + hex[:32]:        {"not a SHA-256 digest", ""},
		"r.io/app//b:v1":                           {"not a repository", ""},
		"r.io/:v1":                                 {"not a repository", ""},
		"alpine:3":                                 {"has no registry", "docker.io/library/alpine:3"},
		"bitnami/redis:7":                          {"has no registry", "docker.io/bitnami/redis:7"},
		"":                                         {"has no registry", ""},
		strings.Repeat("https://", 1e4) + "r.io/a": {"remove https://", ""},
	} {
		_, err := ParseReference(text)
		wrong := new(NameError)
		if !errors.As(err, &wrong) || !strings.Contains(wrong.Reason, want.reason) || wrong.Try != want.try || len(err.Error()) > 500 {
			t.Errorf("%.200q: %v, try %q", text, err, wrong.Try)
		}
	}
	for text, want := range map[string]bool{
		"https://r.io/app:v1": true, "oci://x": true, "docker://r.io/app": true, "file:///tmp/x": false, "r.io:5000/App": true, "[::1]:5000/app": true, "r.io:x/app": false, ":5000/app": false, "localhost/app:v1+b": true,
		"r.io/app@sha256:ab": true, "r.io/app": false, "v1.2/a.tar.gz": false, "./a:b": false, "../a:b": false, "C:/a.zip": false, "alpine:3": false,
		"dist/a.zip": false, "1a://b": false, "": false, "/": false,
	} {
		if MeansImage(text) != want {
			t.Errorf("%q means an image: %v", text, !want)
		}
	}
}

// FuzzParseReference checks that parsed and proposed names are valid.
func FuzzParseReference(f *testing.F) {
	for _, text := range []string{"r.io/app:v1", "https://r.io/App:v1+x", "r.io/app@sha512:ab", "alpine", "r.io/app:v1@sha256:abc"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseReference(text)
		wrong := new(NameError)
		switch {
		case err == nil && (r.String() == "" || schemeOf(text) != ""):
			t.Errorf("%q is accepted", text)
		case err != nil && !errors.As(err, &wrong):
			t.Errorf("%q: %v", text, err)
		case wrong.Try != "" && !strings.HasSuffix(wrong.Try, ":TAG"):
			if _, err := ParseReference(wrong.Try); err != nil {
				t.Errorf("%q: %q is proposed: %v", text, wrong.Try, err)
			}
		}
	})
}
