// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Errors of editing.
var (
	errIssuerExists  = errors.New("issuer is configured already")
	ErrIssuerUnknown = errors.New("issuer is not configured")

	errFlow = errors.New("issuers is written in one line, [ … ]: write one issuer after the other, each after a dash")
)

// AddIssuer returns the text of a configuration with one more issuer, as Load reads it.
// All other lines stay as they are.
func AddIssuer(raw []byte, issuer Issuer) ([]byte, error) {
	before, err := parseConfig(raw)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(before.Issuers, func(i Issuer) bool { return i.URL == issuer.URL }) {
		return nil, errIssuerExists
	}
	list, err := issuersOf(raw)
	if err != nil {
		return nil, err
	}
	var item bytes.Buffer
	encoder := yaml.NewEncoder(&item)
	encoder.SetIndent(2)
	if err := encoder.Encode([]Issuer{issuer}); err != nil {
		return nil, err
	}
	lines := splitLines(raw)
	text, at := item.String(), len(lines)
	switch {
	case list == nil:
		text = "issuers:\n" + indent(text, 2)
	case len(list.Content) == 0:
		return nil, errFlow
	default:
		text, at = indent(text, list.Column-1), min(lastLine(list), len(lines))
	}
	after := strings.Join(lines[:at], "") + text + strings.Join(lines[at:], "")
	return checkEdit([]byte(after), append(before.Issuers[:len(before.Issuers):len(before.Issuers)], issuer), before)
}

// RemoveIssuer returns the text of a configuration without the issuer with this URL, and
// without the comment directly above it.
func RemoveIssuer(raw []byte, url string) ([]byte, error) {
	before, err := parseConfig(raw)
	if err != nil {
		return nil, err
	}
	n := slices.IndexFunc(before.Issuers, func(i Issuer) bool { return i.URL == url })
	if n < 0 {
		return nil, ErrIssuerUnknown
	}
	list, err := issuersOf(raw)
	if err != nil {
		return nil, err
	}
	lines := splitLines(raw)
	item := list.Content[n]
	from, to := item.Line-1, min(lastLine(item), len(lines))
	for range strings.Count(item.HeadComment+"\n", "\n") - 1 + min(1, len(item.HeadComment)) {
		if from > 0 && strings.HasPrefix(strings.TrimSpace(lines[from-1]), "#") {
			from--
		}
	}
	if len(list.Content) == 1 { // with its key, since an empty list would be null
		for from > 0 && !strings.HasPrefix(lines[from], "issuers:") {
			from--
		}
	}
	after := strings.Join(lines[:from], "") + strings.Join(lines[to:], "")
	return checkEdit([]byte(after), slices.Delete(slices.Clone(before.Issuers), n, n+1), before)
}

// checkEdit reads what was written: only the issuers may have changed, and they must be
// those that were meant.
func checkEdit(after []byte, issuers []Issuer, before *Config) ([]byte, error) {
	got, err := parseConfig(after)
	if err != nil {
		return nil, err
	}
	want := *before
	want.Issuers = slices.Clone(issuers)
	for i := range want.Issuers {
		if err := want.Issuers[i].check(); err != nil {
			return nil, err
		}
	}
	if len(want.Issuers) == 0 {
		want.Issuers = got.Issuers[:0]
	}
	if !reflect.DeepEqual(*got, want) {
		return nil, errors.New("the file can't be edited without changing more than issuers: edit it yourself")
	}
	return after, nil
}

// parseConfig reads and checks a configuration, whose lines must be those that YAML counts.
func parseConfig(raw []byte) (*Config, error) {
	text := strings.ReplaceAll(string(raw), "\r\n", "\n")
	if strings.ContainsAny(text, "\r\u0085\u2028\u2029") {
		return nil, errors.New("the file has line breaks that editors don't count: edit it yourself")
	}
	var c Config
	if err := parse(raw, &c); err != nil {
		return nil, err
	}
	return &c, c.Check()
}

// issuersOf returns the list of issuers in a configuration, or nil if there is none.
func issuersOf(raw []byte) (*yaml.Node, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(raw, &document); err != nil {
		return nil, err
	}
	root := document.Content[0]
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value != "issuers" {
			continue
		}
		list := root.Content[i+1]
		if list.Kind != yaml.SequenceNode || list.Style&yaml.FlowStyle != 0 || slices.ContainsFunc(list.Content, func(n *yaml.Node) bool { return n.Style&yaml.FlowStyle != 0 }) {
			return nil, errFlow
		}
		return list, nil
	}
	return nil, nil
}

// lastLine returns the number of the last line of a node, from 1. It may be too small for
// texts of several lines, which checkEdit notices.
func lastLine(node *yaml.Node) int {
	last := node.Line
	if node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 { // others write line breaks as \n
		last += strings.Count(strings.TrimSuffix(node.Value, "\n"), "\n") + 1
	}
	for _, inner := range node.Content {
		last = max(last, lastLine(inner))
	}
	return last
}

// splitLines returns the lines, each with its line break.
func splitLines(raw []byte) []string {
	text := string(raw)
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return slices.Collect(strings.Lines(text))
}

func indent(text string, by int) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		fmt.Fprintf(&b, "%*s%s", by, "", line)
	}
	return b.String()
}
