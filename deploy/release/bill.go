// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// document is a bill of materials in SPDX 2.3 (JSON form): the modules that the
// binaries were built from, as the Go linker recorded them.
type document struct {
	Version   string         `json:"spdxVersion"`
	License   string         `json:"dataLicense"`
	ID        string         `json:"SPDXID"`
	Name      string         `json:"name"`
	Namespace string         `json:"documentNamespace"`
	Creation  creation       `json:"creationInfo"`
	Packages  []spdxPackage  `json:"packages"`
	Relations []relationship `json:"relationships"`
}

type creation struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

type spdxPackage struct {
	ID        string        `json:"SPDXID"`
	Name      string        `json:"name"`
	Version   string        `json:"versionInfo,omitempty"`
	Location  string        `json:"downloadLocation"`
	License   string        `json:"licenseDeclared"`
	Concluded string        `json:"licenseConcluded"`
	Copyright string        `json:"copyrightText"`
	Analyzed  bool          `json:"filesAnalyzed"`
	Checksums []checksum    `json:"checksums,omitempty"`
	Refs      []externalRef `json:"externalRefs,omitempty"`
}

type checksum struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"checksumValue"`
}

type externalRef struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

type relationship struct {
	From string `json:"spdxElementId"`
	Type string `json:"relationshipType"`
	To   string `json:"relatedSpdxElement"`
}

const noAssertion = "NOASSERTION"

// describe returns the bill of materials of the binaries: one package for each
// binary, and one for each module and the standard library, on which it depends.
func describe(version string, built []binary, at time.Time) document {
	d := document{
		Version: "SPDX-2.3", License: "CC0-1.0", ID: "SPDXRef-DOCUMENT", Name: "hallmark-" + version,
		Namespace: "https://github.com/hallmark-sign/hallmark/spdx/" + version,
		Creation:  creation{at.UTC().Format(time.RFC3339), []string{"Tool: hallmark-release"}},
	}
	modules := map[string]spdxPackage{}
	for _, b := range built {
		own := spdxPackage{
			ID: identifier("binary", b.platform, b.name), Name: b.name + " (" + b.platform + ")", Version: version,
			Location: noAssertion, License: "Apache-2.0", Concluded: noAssertion, Copyright: noAssertion,
			Checksums: []checksum{{"SHA256", fmt.Sprintf("%x", sha256.Sum256(b.raw))}},
		}
		d.Packages = append(d.Packages, own)
		d.Relations = append(d.Relations, relationship{d.ID, "DESCRIBES", own.ID})
		used := []spdxPackage{module("stdlib", strings.TrimPrefix(b.info.GoVersion, "go"))}
		for _, m := range b.info.Deps {
			if m.Replace != nil {
				m = m.Replace
			}
			used = append(used, module(m.Path, m.Version))
		}
		for _, m := range used {
			modules[m.ID] = m
			d.Relations = append(d.Relations, relationship{own.ID, "DEPENDS_ON", m.ID})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(modules)) {
		d.Packages = append(d.Packages, modules[id])
	}
	return d
}

func module(path, version string) spdxPackage {
	return spdxPackage{
		ID: identifier("module", path, version), Name: path, Version: version,
		Location: noAssertion, License: noAssertion, Concluded: noAssertion, Copyright: noAssertion,
		Refs: []externalRef{{"PACKAGE-MANAGER", "purl", "pkg:golang/" + path + "@" + version}},
	}
}

// identifier returns an SPDX identifier: letters, digits, "." and "-" only.
func identifier(parts ...string) string {
	return "SPDXRef-" + strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '-':
			return r
		}
		return '-'
	}, strings.Join(parts, "-"))
}
