// SPDX-License-Identifier: Apache-2.0

package claims

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/template/parse"
)

const (
	// maxTemplate bounds the text of a template, in bytes.
	maxTemplate = 2 << 10

	// maxValue bounds what a template makes, in bytes.
	maxValue = 2 << 10

	// maxDepth bounds how deeply conditions are nested.
	maxDepth = 8
)

// A Template makes a text of claims. A text with {{ is a template of Go's
// text/template, of which it can contain fields, index on the claims, eq, and if
// with else. Any other text is the name of a claim.
//
//	event_name
//	{{.url}}/{{.repository}}
//	refs/{{if eq .ref_type "branch"}}heads{{else}}tags{{end}}/{{.ref}}
//	{{index . "oidc.circleci.com/vcs-ref"}}
type Template struct {
	text string
	root *parse.ListNode // nil: text is the name of a claim
}

// ParseTemplate parses a template.
func ParseTemplate(text string) (Template, error) {
	t, err := parseTemplate(text)
	if err != nil {
		return Template{}, fmt.Errorf("parsing template %.100q: %w", text, err)
	}
	return t, nil
}

func parseTemplate(text string) (Template, error) {
	switch {
	case text == "":
		return Template{}, errors.New("empty")
	case len(text) > maxTemplate:
		return Template{}, fmt.Errorf("more than %d bytes", maxTemplate)
	case !strings.Contains(text, "{{"):
		return Template{text: text}, nil
	}
	tree := parse.New("template")
	trees := map[string]*parse.Tree{}
	if _, err := tree.Parse(text, "", "", trees, map[string]any{"index": true, "eq": true}); err != nil {
		return Template{}, err
	}
	if len(trees) > 1 {
		return Template{}, errors.New("defines another template")
	}
	if tree.Root == nil {
		return Template{}, errors.New("empty")
	}
	if err := checkList(tree.Root, 0); err != nil {
		return Template{}, err
	}
	return Template{text, tree.Root}, nil
}

// checkList refuses what a template can't contain.
func checkList(list *parse.ListNode, depth int) error {
	if list == nil {
		return nil
	}
	if depth > maxDepth {
		return fmt.Errorf("more than %d conditions inside each other", maxDepth)
	}
	for _, node := range list.Nodes {
		var err error
		switch n := node.(type) {
		case *parse.TextNode:
		case *parse.ActionNode:
			err = checkPipe(n.Pipe, 0)
		case *parse.IfNode:
			err = errors.Join(checkPipe(n.Pipe, 0), checkList(n.List, depth+1), checkList(n.ElseList, depth+1))
		default:
			err = fmt.Errorf("%s is not allowed", node)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkPipe refuses pipes, variables, and functions in other forms than
// index . "NAME" and eq A B.
func checkPipe(pipe *parse.PipeNode, depth int) error {
	if len(pipe.Cmds) != 1 || len(pipe.Decl) > 0 || depth > maxDepth {
		return fmt.Errorf("%s is not allowed", pipe)
	}
	args := pipe.Cmds[0].Args
	name, ok := args[0].(*parse.IdentifierNode)
	switch {
	case !ok && len(args) == 1:
		return checkOperand(args[0], depth)
	case ok && name.Ident == "index" && len(args) == 3:
		_, dot := args[1].(*parse.DotNode)
		_, text := args[2].(*parse.StringNode)
		if dot && text {
			return nil
		}
	case ok && name.Ident == "eq" && len(args) == 3:
		return errors.Join(checkOperand(args[1], depth), checkOperand(args[2], depth))
	}
	return fmt.Errorf("%s is not allowed", pipe)
}

// checkOperand refuses operands other than a claim, a string and parentheses.
func checkOperand(node parse.Node, depth int) error {
	switch n := node.(type) {
	case *parse.FieldNode:
		if len(n.Ident) == 1 {
			return nil
		}
	case *parse.StringNode:
		return nil
	case *parse.PipeNode:
		return checkPipe(n, depth+1)
	}
	return fmt.Errorf("%s is not allowed", node)
}

// String returns the text of the template.
func (t Template) String() string { return t.text }

// A lookup returns the text of a claim, and reports whether there is one.
type lookup func(claim string) (string, bool)

// render makes the text. A claim that the template uses and that is missing is an
// error, also in a branch that is not taken.
func (t Template) render(claim lookup) (string, error) {
	for _, name := range t.Claims() {
		if _, ok := claim(name); !ok {
			return "", refusef("claim %s is missing", name)
		}
	}
	if t.root == nil {
		value, _ := claim(t.text)
		return value, checkLength(value)
	}
	var b strings.Builder
	writeList(&b, t.root, claim)
	return b.String(), checkLength(b.String())
}

func checkLength(value string) error {
	if len(value) > maxValue {
		return refusef("a value made of the claims is longer than %d bytes", maxValue)
	}
	return nil
}

// writeList writes what a checked list makes. A little more than maxValue is enough,
// so that no claim is inserted any number of times.
func writeList(b *strings.Builder, list *parse.ListNode, claim lookup) {
	if list == nil {
		return
	}
	for _, node := range list.Nodes {
		if b.Len() > maxValue {
			return
		}
		switch n := node.(type) {
		case *parse.TextNode:
			b.Write(n.Text)
		case *parse.ActionNode:
			b.WriteString(valueOf(n.Pipe, claim))
		case *parse.IfNode:
			branch := n.List
			if !holds(n.Pipe, claim) {
				branch = n.ElseList
			}
			writeList(b, branch, claim)
		}
	}
}

// holds reports whether a condition is met: a comparison that is true, or a value that
// is not empty.
func holds(pipe *parse.PipeNode, claim lookup) bool {
	args := pipe.Cmds[0].Args
	if inner, ok := args[0].(*parse.PipeNode); ok {
		return holds(inner, claim)
	}
	value := valueOf(pipe, claim)
	name, ok := args[0].(*parse.IdentifierNode)
	if ok && name.Ident == "eq" {
		return value == "true"
	}
	return value != ""
}

// valueOf returns the value of a checked node: that of eq is true or false.
func valueOf(node parse.Node, claim lookup) string {
	switch n := node.(type) {
	case *parse.FieldNode:
		value, _ := claim(n.Ident[0])
		return value
	case *parse.StringNode:
		return n.Text
	case *parse.PipeNode:
		args := n.Cmds[0].Args
		name, ok := args[0].(*parse.IdentifierNode)
		switch {
		case !ok:
			return valueOf(args[0], claim)
		case name.Ident == "index":
			value, _ := claim(args[2].(*parse.StringNode).Text)
			return value
		case valueOf(args[1], claim) == valueOf(args[2], claim):
			return "true"
		}
		return "false"
	}
	return ""
}

// Claims returns the names of the claims that the template uses, each once.
func (t Template) Claims() []string {
	if t.root == nil {
		return []string{t.text}
	}
	var names []string
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	var visit func(parse.Node)
	visit = func(node parse.Node) {
		switch n := node.(type) {
		case *parse.ListNode:
			if n != nil {
				for _, inner := range n.Nodes {
					visit(inner)
				}
			}
		case *parse.ActionNode:
			visit(n.Pipe)
		case *parse.IfNode:
			visit(n.Pipe)
			visit(n.List)
			visit(n.ElseList)
		case *parse.FieldNode:
			add(n.Ident[0])
		case *parse.PipeNode:
			args := n.Cmds[0].Args
			if name, ok := args[0].(*parse.IdentifierNode); ok && name.Ident == "index" {
				add(args[2].(*parse.StringNode).Text)
				return
			}
			for _, arg := range args {
				visit(arg)
			}
		}
	}
	visit(t.root)
	return names
}
