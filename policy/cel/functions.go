// SPDX-License-Identifier: Apache-2.0

package cel

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// Memory of a list, and of each value in a growing list, in bytes.
const (
	perList  = 96
	perValue = 64
)

// A function is a function of CEL that charges its own steps.
type function func(r *run, args []ref.Val) ref.Val

// metered lists the functions whose cost is not determined by the length of
// values.
var metered = map[string]function{
	operators.Equals:    func(r *run, args []ref.Val) ref.Val { return types.Bool(r.equal(args[0], args[1])) },
	operators.NotEquals: func(r *run, args []ref.Val) ref.Val { return types.Bool(!r.equal(args[0], args[1])) },
	operators.In:        contained,
	operators.OldIn:     contained,
	operators.Index:     indexed,
	operators.Add:       added,
}

// standard returns a function of cel-go. Such functions read strings and bytes
// completely and may copy them; the sizes of other values do not matter.
func (p *planner) standard(e ast.Expr, name string) function {
	f := p.functions[name]
	if r, ok := p.checked.ReferenceMap()[e.ID()]; ok && len(r.OverloadIDs) == 1 && p.functions[r.OverloadIDs[0]] != nil {
		f = p.functions[r.OverloadIDs[0]]
	}
	if f == nil {
		return nil
	}
	copies := overloads.IsTypeConversionFunction(name)
	return func(r *run, args []ref.Val) ref.Val {
		for _, a := range args {
			switch n := length(a); {
			case copies && n > 0:
				r.keep(4 * n) // the value, or an error that quotes it
			default:
				r.read(4 * n)
			}
		}
		if strings.HasPrefix(name, "get") && len(args) == 2 {
			r.spend(1000) // looking for a time zone
		}
		switch {
		case f.OperandTrait != 0 && !args[0].Type().HasTrait(f.OperandTrait):
		case len(args) == 1 && f.Unary != nil:
			return f.Unary(args[0])
		case len(args) == 2 && f.Binary != nil:
			return f.Binary(args[0], args[1])
		case f.Function != nil:
			return f.Function(args...)
		}
		if to, ok := args[0].(traits.Receiver); ok {
			return to.Receive(name, f.Operator, args[1:])
		}
		return types.NewErr("no such overload: %s", name)
	}
}

// length returns the size of a string or bytes value.
func length(v ref.Val) int {
	switch v := v.(type) {
	case types.String:
		return len(v)
	case types.Bytes:
		return len(v)
	}
	return 0
}

// noSuchKey returns the error for a missing member.
func noSuchKey(key ref.Val) ref.Val {
	if length(key) > 200 {
		return types.NewErr("no such key: one of %d bytes", length(key))
	}
	return types.NewErr("no such key: %v", key)
}

// equal compares deeply, as == does.
func (m *meter) equal(a, b ref.Val) bool {
	m.spend(1)
	switch x := a.(type) {
	case traits.Lister:
		y, ok := b.(traits.Lister)
		if !ok || x.Size() != y.Size() {
			return false
		}
		for i := range x.Size().(types.Int) {
			if !m.equal(x.Get(i), y.Get(i)) {
				return false
			}
		}
		return true
	case traits.Mapper:
		y, ok := b.(traits.Mapper)
		return ok && x.Size() == y.Size() && m.sameMembers(x, y)
	}
	if n := length(a); n == length(b) {
		m.read(n)
	}
	return types.Equal(a, b) == types.True
}

func (m *meter) sameMembers(x, y traits.Mapper) bool {
	keys, _ := m.elements(x)
	for i := range keys.Size().(types.Int) {
		k := keys.Get(i)
		m.read(2 * length(k))
		v, _ := x.Find(k)
		w, ok := y.Find(k)
		if !ok || !m.equal(v, w) {
			return false
		}
	}
	return true
}

// elements returns what a macro iterates over: the elements of a list, or the
// keys of a map in a fixed order.
func (m *meter) elements(v ref.Val) (traits.Lister, bool) {
	switch v := v.(type) {
	case traits.Lister:
		return v, true
	case object:
		return types.NewRefValList(v.d, v.names()), true
	case traits.Mapper: // {…} of the expression
		var keys []ref.Val
		words := map[ref.Val]string{}
		for it := v.Iterator(); it.HasNext() == types.True; {
			k := it.Next()
			m.keep(4*perValue + 2*length(k))
			keys, words[k] = append(keys, k), fmt.Sprintf("%T %v", k, k)
		}
		slices.SortFunc(keys, func(a, b ref.Val) int { return strings.Compare(words[a], words[b]) })
		return types.NewRefValList(types.DefaultTypeAdapter, keys), true
	}
	return nil, false
}

// contained implements the operator in.
func contained(r *run, args []ref.Val) ref.Val {
	switch in := args[1].(type) {
	case traits.Lister:
		for i := range in.Size().(types.Int) {
			r.spend(1)
			if r.equal(args[0], in.Get(i)) {
				return types.True
			}
		}
		return types.False
	case traits.Mapper:
		r.read(length(args[0]))
		v, found := in.Find(args[0])
		if types.IsError(v) {
			return v
		}
		return types.Bool(found)
	}
	return types.NewErr("no such overload: in")
}

// indexed implements a[b].
func indexed(r *run, args []ref.Val) ref.Val {
	r.read(length(args[1]))
	switch of := args[0].(type) {
	case traits.Lister:
		if _, err := types.GetOrError(args[1]); err != nil {
			return types.NewErr("no list has such an index")
		}
		return of.Get(args[1])
	case traits.Mapper:
		if v, found := of.Find(args[1]); found || types.IsError(v) {
			return v
		}
		return noSuchKey(args[1])
	}
	return types.NewErr("no such overload: _[_]")
}

// added implements +. Lists of cel-go remember their parts and search them at
// each access; these are copied.
func added(r *run, args []ref.Val) ref.Val {
	a, ok := args[0].(traits.Lister)
	b, both := args[1].(traits.Lister)
	switch {
	case ok && both:
		n, m := a.Size().(types.Int), b.Size().(types.Int)
		r.keep(perList + 16*int(n+m))
		r.spend(int(n + m))
		all := make([]ref.Val, 0, n+m)
		for i := range n {
			all = append(all, a.Get(i))
		}
		for i := range m {
			all = append(all, b.Get(i))
		}
		return types.NewRefValList(types.DefaultTypeAdapter, all)
	case ok || both:
		return types.NewErr("no such overload: +")
	}
	r.keep(length(args[0]) + length(args[1]))
	if to, ok := args[0].(traits.Adder); ok {
		return to.Add(args[1])
	}
	return types.NewErr("no such overload: +")
}

// matches requires its regular expression to be a literal of the policy. One
// from a predicate could have megabytes, and its compilation is not limited.
func matches(text step, pattern ast.Expr) (step, error) {
	if pattern.Kind() != ast.LiteralKind {
		return nil, errors.New("matches requires a literal pattern")
	}
	expression, ok := pattern.AsLiteral().(types.String)
	if !ok {
		return nil, errors.New("matches requires a string as pattern")
	}
	re, err := regexp.Compile(string(expression))
	if err != nil {
		return nil, err
	}
	size, err := types.RegexProgramSize(string(expression))
	if err != nil {
		return nil, err
	}
	return func(r *run) ref.Val {
		switch v := text(r).(type) {
		case types.String:
			r.product(1+len(v)/4, size)
			return types.Bool(re.MatchString(string(v)))
		default:
			return types.MaybeNoSuchOverloadErr(v)
		}
	}, nil
}
