// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

// A document is a policy file as written. docs/guides/policies.md is its manual.
type document struct {
	Version    count             `yaml:"version"`
	Signers    map[string]signer `yaml:"signers"`
	Require    []rule            `yaml:"require"`
	Thresholds thresholds        `yaml:"thresholds,omitempty"`
	Witnesses  witnesses         `yaml:"witnesses,omitempty"`
	TrustRoot  trustRoot         `yaml:"trustRoot,omitempty"`
}

// A signer sets one of Email, URI, SPIFFE, Key, GitHub, GitLab and CI.
type signer struct {
	Email  text            `yaml:"email,omitempty"`
	URI    text            `yaml:"uri,omitempty"`
	SPIFFE text            `yaml:"spiffe,omitempty"`
	Issuer text            `yaml:"issuer,omitempty"` // with Email, URI or SPIFFE
	Key    string          `yaml:"key,omitempty"`    // PEM
	GitHub *gitHub         `yaml:"github,omitempty"`
	GitLab *gitLab         `yaml:"gitlab,omitempty"`
	CI     *ci             `yaml:"ci,omitempty"`
	Build  map[string]text `yaml:"build,omitempty"` // further fields of the certificate
}

// A gitHub is a workflow of GitHub Actions.
type gitHub struct {
	Repository   text   `yaml:"repository"`             // owner/name
	RepositoryID text   `yaml:"repositoryID,omitempty"` // its number, which outlives its name
	OwnerID      text   `yaml:"ownerID,omitempty"`
	Workflow     text   `yaml:"workflow,omitempty"` // path in the repository
	Ref          text   `yaml:"ref,omitempty"`
	Signer       text   `yaml:"signer,omitempty"` // owner/name/path@ref of the reusable workflow that signs
	Trigger      text   `yaml:"trigger,omitempty"`
	Environment  text   `yaml:"environment,omitempty"`
	Runner       text   `yaml:"runner,omitempty"`
	Server       string `yaml:"server,omitempty"` // URL of a self-hosted server, with its issuer
	Issuer       text   `yaml:"issuer,omitempty"`
}

// A gitLab is a pipeline of GitLab.
type gitLab struct {
	Project     text   `yaml:"project"` // group/name
	ProjectID   text   `yaml:"projectID,omitempty"`
	NamespaceID text   `yaml:"namespaceID,omitempty"`
	Config      text   `yaml:"config,omitempty"` // path of the pipeline's file
	Ref         text   `yaml:"ref,omitempty"`
	Environment text   `yaml:"environment,omitempty"`
	Server      string `yaml:"server,omitempty"`
}

// A ci is any other automated build.
type ci struct {
	Issuer       text `yaml:"issuer"`
	Subject      text `yaml:"subject"`
	Repository   text `yaml:"repository,omitempty"` // URI
	RepositoryID text `yaml:"repositoryID,omitempty"`
	Ref          text `yaml:"ref,omitempty"`
	Workflow     text `yaml:"workflow,omitempty"` // URI
}

type rule struct {
	SignedBy []string `yaml:"signedBy"`
	AtLeast  count    `yaml:"atLeast,omitempty"`
	Accepts  []string `yaml:"accepts,omitempty"`
	Where    string   `yaml:"where,omitempty"`
}

type thresholds struct {
	Logs       count `yaml:"logs,omitempty"`
	Timestamps count `yaml:"timestamps,omitempty"`
}

type witnesses struct {
	AtLeast count    `yaml:"atLeast"`
	Keys    []string `yaml:"keys"` // NAME+ID+KEY
}

// IsZero reports whether the field is left out (omitempty).
func (w witnesses) IsZero() bool { return w.AtLeast == 0 && w.Keys == nil }

// compile reads the keys. It refuses a repeated key, which would count twice.
func (w witnesses) compile() ([]checkpoint.WitnessPolicy, error) {
	if w.IsZero() {
		return nil, nil
	}
	if w.AtLeast == 0 || int(w.AtLeast) > len(w.Keys) {
		return nil, fmt.Errorf("atLeast is %d, of %d keys", w.AtLeast, len(w.Keys))
	}
	var keys []checkpoint.Key
	for i, text := range w.Keys {
		key, err := checkpoint.ParseKey(text)
		switch {
		case err != nil:
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		case !key.Cosigning:
			return nil, fmt.Errorf("key %d is that of a log, not of a witness", i+1)
		case slices.ContainsFunc(keys, func(k checkpoint.Key) bool { return k.Public.Equal(key.Public) }):
			return nil, fmt.Errorf("key %d is there before", i+1)
		}
		keys = append(keys, key)
	}
	return []checkpoint.WitnessPolicy{checkpoint.AtLeast(int(w.AtLeast), keys)}, nil
}

type trustRoot struct {
	MaxAge duration `yaml:"maxAge,omitempty"`
}

// A text is a name: a scalar is exact, {glob: …} a glob.
type text struct{ identity.Pattern }

// IsZero reports whether the field is left out (omitempty).
func (t text) IsZero() bool { return t.Pattern == identity.Pattern{} }

func (t *text) UnmarshalYAML(node *yaml.Node) error {
	value, make := node, identity.Exact
	if node.Kind == yaml.MappingNode && len(node.Content) == 2 && node.Content[0].Value == "glob" {
		value, make = node.Content[1], identity.Glob
	}
	if value.Kind != yaml.ScalarNode || value.Value == "" {
		return fmt.Errorf("line %d: want a text, or {glob: TEXT}", node.Line)
	}
	t.Pattern = make(value.Value)
	return nil
}

func (t text) MarshalYAML() (any, error) {
	if t.IsExact() {
		return t.String(), nil
	}
	return map[string]string{"glob": t.String()}, nil
}

// A count is a whole number. The decoder's own int would round 1.9 down.
type count int

func (c *count) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.ScalarNode || node.Tag != "!!int" {
		return fmt.Errorf("line %d: want a whole number", node.Line)
	}
	if err := node.Decode((*int)(c)); err != nil || *c < 1 {
		return fmt.Errorf("line %d: %s: want 1 or more", node.Line, node.Value)
	}
	return nil
}

// A duration is written as 720h.
type duration time.Duration

func (d *duration) UnmarshalYAML(node *yaml.Node) error {
	v, err := time.ParseDuration(node.Value)
	if err != nil || v <= 0 || node.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: want a positive duration such as 720h", node.Line)
	}
	*d = duration(v)
	return nil
}

// MaxFile bounds a policy file, in bytes of YAML.
const MaxFile = 1 << 20

func readDocument(raw []byte) (document, error) {
	if len(raw) > MaxFile {
		return document{}, fmt.Errorf("longer than %d bytes", MaxFile)
	}
	if err := checkWriting(raw); err != nil {
		return document{}, err
	}
	var node yaml.Node
	if err := yaml.Unmarshal(raw, &node); err != nil {
		return document{}, err
	}
	if err := plain(&node); err != nil {
		return document{}, err
	}
	d := yaml.NewDecoder(bytes.NewReader(raw))
	d.KnownFields(true)
	var doc document
	if err := d.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("empty")
		}
		return document{}, err
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return document{}, errors.New("a second document follows")
	}
	if doc.Version != 1 {
		return document{}, fmt.Errorf("version is missing or not 1, which is all that there is")
	}
	return doc, nil
}

// checkWriting refuses text that people read differently from programs.
func checkWriting(raw []byte) error {
	if !utf8.Valid(raw) || bytes.IndexByte(raw, 0) >= 0 {
		return errors.New("not UTF-8, as YAML files here must be")
	}
	if i := bytes.IndexFunc(raw, func(r rune) bool { return unicode.Is(unicode.Bidi_Control, r) }); i >= 0 {
		return fmt.Errorf("line %d: a character that turns the direction of writing around", 1+bytes.Count(raw[:i], []byte("\n")))
	}
	return nil
}

// maxEntries bounds a list or a mapping. The decoder compares each key of a mapping with every
// other.
const maxEntries = max(maxSigners, maxRules)

// plain refuses aliases, merge keys and tags, which parsers interpret differently, and empty
// values: the decoder ignores the empty value of "ref:", as if any ref were allowed.
func plain(node *yaml.Node) error {
	switch {
	case node.Kind == yaml.AliasNode || node.Anchor != "" || node.Tag == "!!merge":
		return fmt.Errorf("line %d: anchors, aliases and merges are not for policies", node.Line)
	case node.Style&yaml.TaggedStyle != 0:
		return fmt.Errorf("line %d: tags such as %.32q are not for policies", node.Line, node.Tag)
	case node.Kind == yaml.ScalarNode && node.Tag == "!!null":
		return fmt.Errorf("line %d: nothing is said here; leave the member out where anything will do", node.Line)
	case node.Kind == yaml.MappingNode && len(node.Content) > 2*maxEntries, node.Kind == yaml.SequenceNode && len(node.Content) > maxEntries:
		return fmt.Errorf("line %d: more than %d entries", node.Line, maxEntries)
	}
	for _, child := range node.Content {
		if err := plain(child); err != nil {
			return err
		}
	}
	return nil
}
