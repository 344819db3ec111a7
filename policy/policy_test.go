// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/policy/cel"
)

const keyPEM = `|
      -----BEGIN PUBLIC KEY-----
      MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE1vEFJ4nznP0TddtR52DgEvyqN0bn
      bbrdct+S/HcR7GLi6K4rBytJ8DsGmG0bDrGjZVoygbbgG3gN0OTxxKIjbQ==
      -----END PUBLIC KEY-----
`

// full has every kind of signer and every member.
const full = `version: 1
signers:
  alice: {email: alice@example.com, issuer: https://login.example.com}
  staff: {email: {glob: "*@example.com"}, issuer: https://login.example.com}
  page: {uri: https://example.com/bot, issuer: https://login.example.com}
  service: {spiffe: {glob: spiffe://example.com/build/*}, issuer: https://spire.example.com}
  release:
    github:
      repository: acme/widget
      repositoryID: 1296269
      ownerID: "42"
      workflow: .github/workflows/release.yml
      ref: {glob: refs/tags/v*}
      signer: {glob: "acme/workflows/.github/workflows/sign.yml@refs/tags/v*"}
      trigger: push
      environment: production
      runner: github-hosted
    build: {sourceVisibility: public}
  own: {github: {repository: acme/widget, server: https://git.example.com, issuer: https://git.example.com/_services/token}}
  pipeline: {gitlab: {project: group/sub/name, projectID: 7, namespaceID: 8, config: .gitlab-ci.yml, ref: refs/heads/main, environment: production}}
  kite: {ci: {issuer: https://agent.example.com, subject: https://example.com/acme, repository: https://example.com/r, repositoryID: r1, ref: main, workflow: https://example.com/w}}
require:
  - signedBy: [alice, staff, page, service, own, pipeline, kite]
    atLeast: 2
  - signedBy: [release]
    accepts: [https://slsa.dev/provenance/v1, https://slsa.dev/provenance/v0.2]
    where: predicate.buildDefinition.buildType == "https://example.com/build"
  - signedBy: [alice]
    accepts: [any]
thresholds: {logs: 2, timestamps: 2}
trustRoot: {maxAge: 720h}
`

// small is one signer and one rule, to be edited by tests.
const small = `version: 1
signers:
  alice: {email: alice@example.com, issuer: https://login.example.com}
require:
  - signedBy: [alice]
`

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	raw, err := os.ReadFile("../docs/reference/policy.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("policy.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("policy.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func fits(s *jsonschema.Schema, text string) error {
	var value any
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		return err
	}
	return s.Validate(value)
}

// TestSchema checks that policies accepted by Parse conform to the published schema, and that
// policies with a wrong structure are refused by both.
func TestSchema(t *testing.T) {
	s := schema(t)
	for _, text := range []string{full, small, strings.Replace(small, "{email: alice@example.com, issuer: https://login.example.com}", "\n    key: "+keyPEM, 1)} {
		if _, err := policy.Parse([]byte(text), cel.Compile); err != nil {
			t.Errorf("%v:\n%s", err, text)
		}
		if err := fits(s, text); err != nil {
			t.Errorf("schema: %v:\n%s", err, text)
		}
	}
	for name, c := range map[string][2]string{
		"unknown member":        {"require:", "requires:"},
		"other version":         {"version: 1", "version: 2"},
		"no version":            {"version: 1\n", ""},
		"no issuer":             {", issuer: https://login.example.com", ""},
		"null issuer":           {"https://login.example.com", "null"},
		"empty email":           {"alice@example.com", `""`},
		"list as email":         {"alice@example.com", `[a, b]`},
		"regular expression":    {"alice@example.com", `{regexp: ".*"}`},
		"glob and more":         {"alice@example.com", `{glob: "*", x: y}`},
		"two kinds":             {"email:", "uri: https://example.com, email:"},
		"no kind":               {"email: alice@example.com, ", ""},
		"unknown kind":          {"email:", "phone:"},
		"no rule":               {"  - signedBy: [alice]", "  []"},
		"no signer":             {"[alice]", "[]"},
		"a signer twice":        {"[alice]", "[alice, alice]"},
		"negative atLeast":      {"[alice]", "[alice]\n    atLeast: -1"},
		"at least none":         {"[alice]", "[alice]\n    atLeast: 0"},
		"accepts nonsense":      {"[alice]", "[alice]\n    accepts: [provenance]"},
		"accepts twice":         {"[alice]", "[alice]\n    accepts: [signature, signature]"},
		"negative threshold":    {"version: 1", "version: 1\nthresholds: {logs: -1}"},
		"age without unit":      {"version: 1", "version: 1\ntrustRoot: {maxAge: 30}"},
		"negative age":          {"version: 1", "version: 1\ntrustRoot: {maxAge: -1h}"},
		"unknown field":         {"issuer:", "build: {colour: red}, issuer:"},
		"github, no repository": {"{email: alice@example.com, issuer: https://login.example.com}", "{github: {ref: main}}"},
		"github, half server":   {"{email: alice@example.com, issuer: https://login.example.com}", "{github: {repository: a/b, server: https://example.com}}"},
		"issuer beside github":  {"{email: alice@example.com, ", "{github: {repository: a/b}, "},
		"empty ref":             {"{email: alice@example.com, issuer: https://login.example.com}", "{github: {repository: a/b, ref: }}"},
		"null workflow":         {"{email: alice@example.com, issuer: https://login.example.com}", "{github: {repository: a/b, workflow: ~}}"},
		"empty glob":            {"{email: alice@example.com, issuer: https://login.example.com}", "{github: {repository: a/b, ref: {glob: }}}"},
		"empty field":           {"issuer:", "build: {trigger: }, issuer:"},
		"empty condition":       {"[alice]", "[alice]\n    accepts: [any]\n    where:\n    # predicate.level == 3"},
		"empty accepts":         {"[alice]", "[alice]\n    accepts:"},
		"empty threshold":       {"version: 1", "version: 1\nthresholds: {logs: }"},
		"empty age":             {"version: 1", "version: 1\ntrustRoot: {maxAge: }"},
		"version 1.9":           {"version: 1", "version: 1.9"},
		"one signer and a half": {"[alice]", "[alice]\n    atLeast: 1.5"},
		"threshold of 2.9":      {"version: 1", "version: 1\nthresholds: {logs: 2.9}"},
		"many accepts":          {"[alice]", "[alice]\n    accepts: [" + numbered("'x:%d'", 1001) + "]"},
		"ci, no subject":        {"{email: alice@example.com, issuer: https://login.example.com}", "{ci: {issuer: https://example.com}}"},
	} {
		text := strings.Replace(small, c[0], c[1], 1)
		if text == small {
			t.Fatalf("%s: the edit changes nothing", name)
		}
		if _, err := policy.Parse([]byte(text), cel.Compile); !errors.Is(err, policy.ErrMalformed) {
			t.Errorf("%s: parsed: %v", name, err)
		}
		if fits(s, text) == nil {
			t.Errorf("%s: fits the schema", name)
		}
	}
}

// numbered repeats a text with ascending numbers.
func numbered(format string, count int) string {
	all := make([]string, count)
	for i := range all {
		all[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(all, ", ")
}

// TestManyKeysCostLittle checks that a file with very many keys is refused before each key is
// compared with every other.
func TestManyKeysCostLittle(t *testing.T) {
	start := time.Now()
	if _, err := policy.Parse([]byte("{"+numbered("%x: x", 70_000)+"}"), nil); !errors.Is(err, policy.ErrMalformed) {
		t.Error(err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestRefusals checks that Parse refuses what a schema can't express.
func TestRefusals(t *testing.T) {
	for name, c := range map[string][2]string{
		"unknown signer":       {"[alice]", "[bob]"},
		"unused signer":        {"require:", "  bob: {email: bob@example.com, issuer: https://login.example.com}\nrequire:"},
		"more than there are":  {"[alice]", "[alice]\n    atLeast: 2"},
		"signer twice":         {"require:", "  alice: {email: b@example.com, issuer: https://login.example.com}\nrequire:"},
		"alias":                {"alice@example.com", "&a alice@example.com"},
		"merge":                {"  alice: {", "  alice: {<<: {uri: x}, "},
		"second document":      {"require:", "require:\n  - signedBy: [alice]\n---\nx:"},
		"twice, once by name":  {"[alice]", "[alice]\n    accepts: [spdx, 'https://spdx.dev/Document']"},
		"any and more":         {"[alice]", "[alice]\n    accepts: [any, signature]"},
		"condition on bytes":   {"[alice]", "[alice]\n    where: predicate.x"},
		"condition on either":  {"[alice]", "[alice]\n    accepts: [signature, 'https://example.com/t']\n    where: predicate.x"},
		"condition malformed":  {"[alice]", "[alice]\n    accepts: ['https://example.com/t']\n    where: predicate.("},
		"condition no truth":   {"[alice]", "[alice]\n    accepts: ['https://example.com/t']\n    where: '1'"},
		"key not PEM":          {"{email: alice@example.com, issuer: https://login.example.com}", "{key: abc}"},
		"private key":          {"{email: alice@example.com, issuer: https://login.example.com}", "{key: \"-----BEGIN PRIVATE KEY-----\\nMAA=\\n-----END PRIVATE KEY-----\"}"},
		"spiffe of any domain": {"{email: alice@example.com, ", "{spiffe: {glob: 'spiffe://*/x'}, "},
		"server by http":       {"{email: alice@example.com, issuer: https://login.example.com}", "{gitlab: {project: a/b, server: 'http://example.com'}}"},
		"star in exact text":   {"{email: alice@example.com, issuer: https://login.example.com}", "{github: {repository: 'a/*', ref: main}}"},
		"field said twice":     {"{email: alice@example.com, issuer: https://login.example.com}", "{github: {repository: a/b, ref: main}, build: {sourceRepositoryRef: x}}"},
		"tagged name":          {"require:", "  !!binary YWxpY2U=: {email: b@example.com, issuer: https://login.example.com}\nrequire:"},
		"tagged text":          {"alice@example.com", "!!binary YWxpY2U="},
		"odd tag":              {"signers:", "signers: !!python/object:os.system"},
		"nameless signer":      {"require:", "  ~: {email: b@example.com, issuer: https://login.example.com}\nrequire:"},
		"turned text":          {"alice@example.com", "\"\u202emoc.elpmaxe@ecila\""},
		"turned comment":       {"require:", "# \u2067\nrequire:"},
		"tab":                  {"  alice", "\talice"},
		"empty":                {small, "\n"},
		"comment alone":        {small, "# nothing\n"},
	} {
		text := strings.Replace(small, c[0], c[1], 1)
		if text == small {
			t.Fatalf("%s: the edit changes nothing", name)
		}
		if _, err := policy.Parse([]byte(text), cel.Compile); !errors.Is(err, policy.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := policy.Parse(bytes.Repeat([]byte("#"), 2<<20), nil); !errors.Is(err, policy.ErrMalformed) {
		t.Errorf("2 MiB: %v", err)
	}
	// Without a compiler, conditions are refused.
	if _, err := policy.Parse([]byte(full), nil); !errors.Is(err, policy.ErrMalformed) || !strings.Contains(err.Error(), "no conditions") {
		t.Errorf("without a compiler: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(full)
	f.Add(small)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := policy.Parse([]byte(text), nil)
		if err != nil {
			return
		}
		if len(p.Rules) == 0 || len(p.Signers) == 0 || len(p.Describe()) == 0 {
			t.Errorf("parsed a policy without rules: %+v", p)
		}
	})
}

// TestEncodings checks that only UTF-8 is accepted. Programs that detect encodings by a byte
// order mark would read another policy.
func TestEncodings(t *testing.T) {
	wide := func(order binary.AppendByteOrder, mark bool) []byte {
		var raw []byte
		if mark {
			raw = order.AppendUint16(raw, 0xfeff)
		}
		for _, unit := range utf16.Encode([]rune(small)) {
			raw = order.AppendUint16(raw, unit)
		}
		return raw
	}
	for name, raw := range map[string][]byte{
		"UTF-16LE": wide(binary.LittleEndian, true), "UTF-16BE": wide(binary.BigEndian, true), "UTF-16LE without mark": wide(binary.LittleEndian, false),
		"Latin-1": []byte(strings.Replace(small, "alice", "\xe9lise", 1)),
	} {
		if _, err := policy.Parse(raw, nil); err == nil || !strings.Contains(err.Error(), "not UTF-8") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := policy.Parse([]byte("\ufeff"+small), nil); err != nil {
		t.Errorf("UTF-8 with a mark: %v", err)
	}
}
