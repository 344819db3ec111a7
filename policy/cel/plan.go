// SPDX-License-Identifier: Apache-2.0

package cel

import (
	"errors"
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/functions"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// A step is a compiled node of an expression.
type step func(*run) ref.Val

// A run is an evaluation: the meter, the variables, and the values bound by
// macros.
type run struct {
	*meter
	vars  map[string]ref.Val
	bound []ref.Val
	lists [][]ref.Val // results of map and filter, by the index of their variable
}

// A planner compiles a checked expression into steps. cel-go's own interpreter
// charges costs only after a step has run.
type planner struct {
	env       *cel.Env
	checked   *ast.AST
	functions map[string]*functions.Overload
	bound     []string // names, innermost last
	most      int      // largest number of names bound at once
}

func newPlanner(env *cel.Env, checked *ast.AST) (*planner, error) {
	p := &planner{env: env, checked: checked, functions: map[string]*functions.Overload{}}
	for _, f := range env.Functions() {
		bindings, err := f.Bindings()
		if err != nil {
			return nil, err
		}
		for _, b := range bindings {
			p.functions[b.Operator] = b
		}
	}
	return p, nil
}

// plan compiles a node, which costs a step.
func (p *planner) plan(e ast.Expr) (step, error) {
	s, err := p.node(e)
	if err != nil {
		return nil, err
	}
	return func(r *run) ref.Val { r.spend(1); return s(r) }, nil
}

func (p *planner) node(e ast.Expr) (step, error) {
	switch e.Kind() {
	case ast.LiteralKind:
		return always(e.AsLiteral()), nil
	case ast.IdentKind:
		return p.ident(e, e.AsIdent())
	case ast.SelectKind:
		return p.selected(e)
	case ast.CallKind:
		return p.call(e)
	case ast.ListKind:
		return p.list(e.AsList())
	case ast.MapKind:
		return p.dictionary(e.AsMap())
	case ast.ComprehensionKind:
		return p.comprehension(e.AsComprehension())
	}
	return nil, errors.New("protocol buffer messages are not supported in conditions")
}

func (p *planner) all(nodes ...ast.Expr) ([]step, error) {
	steps := make([]step, len(nodes))
	for i, e := range nodes {
		var err error
		if steps[i], err = p.plan(e); err != nil {
			return nil, err
		}
	}
	return steps, nil
}

func always(v ref.Val) step { return func(*run) ref.Val { return v } }

// ident compiles a constant, the name of a type, a variable bound by a macro,
// or a variable.
func (p *planner) ident(e ast.Expr, name string) (step, error) {
	if r, ok := p.checked.ReferenceMap()[e.ID()]; ok {
		if r.Value != nil {
			return always(r.Value), nil
		}
		name = r.Name
	}
	for i := len(p.bound) - 1; i >= 0; i-- {
		if p.bound[i] == name {
			return func(r *run) ref.Val { return r.bound[i] }, nil
		}
	}
	if p.checked.GetType(e.ID()).Kind() == types.TypeKind {
		v, ok := p.env.CELTypeProvider().FindIdent(name)
		if !ok {
			return nil, fmt.Errorf("unknown type %s", name)
		}
		return always(v), nil
	}
	return func(r *run) ref.Val { return r.vars[name] }, nil
}

// selected compiles a.b, or has(a.b).
func (p *planner) selected(e ast.Expr) (step, error) {
	if r, ok := p.checked.ReferenceMap()[e.ID()]; ok {
		return p.ident(e, r.Name)
	}
	sel := e.AsSelect()
	operand, err := p.plan(sel.Operand())
	if err != nil {
		return nil, err
	}
	key, test := types.String(sel.FieldName()), sel.IsTestOnly()
	return func(r *run) ref.Val {
		from := operand(r)
		if types.IsError(from) {
			return from
		}
		if m, ok := from.(traits.Mapper); ok {
			v, found := m.Find(key)
			switch {
			case test && !types.IsError(v):
				return types.Bool(found)
			case found || types.IsError(v):
				return v
			}
		} else if test {
			if _, ok := from.(traits.Lister); !ok {
				return types.False
			}
		}
		return noSuchKey(key)
	}, nil
}

func (p *planner) list(l ast.ListExpr) (step, error) {
	if values, ok := literals(l.Elements()); ok {
		return always(types.NewRefValList(types.DefaultTypeAdapter, values)), nil
	}
	elements, err := p.all(l.Elements()...)
	if err != nil {
		return nil, err
	}
	return func(r *run) ref.Val {
		r.keep(perList + 16*len(elements))
		values := make([]ref.Val, len(elements))
		for i, s := range elements {
			if values[i] = s(r); types.IsError(values[i]) {
				return values[i]
			}
		}
		return types.NewRefValList(types.DefaultTypeAdapter, values)
	}, nil
}

// literals returns the values of nodes if all are literals.
func literals(nodes []ast.Expr) ([]ref.Val, bool) {
	values := make([]ref.Val, len(nodes))
	for i, e := range nodes {
		if e.Kind() != ast.LiteralKind {
			return nil, false
		}
		values[i] = e.AsLiteral()
	}
	return values, true
}

func (p *planner) dictionary(m ast.MapExpr) (step, error) {
	var nodes []ast.Expr
	for _, e := range m.Entries() {
		nodes = append(nodes, e.AsMapEntry().Key(), e.AsMapEntry().Value())
	}
	steps, err := p.all(nodes...)
	if err != nil {
		return nil, err
	}
	return func(r *run) ref.Val {
		r.keep(256 + 2*perValue*len(steps))
		values := make(map[ref.Val]ref.Val, len(steps)/2)
		for i := 0; i < len(steps); i += 2 {
			k, v := steps[i](r), steps[i+1](r)
			switch {
			case types.IsError(k):
				return k
			case types.IsError(v):
				return v
			case k.Type() == types.BytesType || !types.IsPrimitiveType(k):
				return types.NewErr("unsupported key type %s", k.Type().TypeName())
			}
			r.read(length(k))
			values[k] = v
		}
		return types.NewRefValMap(types.DefaultTypeAdapter, values)
	}, nil
}

// comprehension compiles the macros all, exists, exists_one, map and filter.
func (p *planner) comprehension(c ast.ComprehensionExpr) (step, error) {
	if c.HasIterVar2() || !strings.HasPrefix(c.AccuVar(), "@") {
		return nil, errors.New("macro is not a standard one")
	}
	outside, err := p.all(c.IterRange(), c.AccuInit())
	if err != nil {
		return nil, err
	}
	p.bound = append(p.bound, c.AccuVar(), c.IterVar())
	p.most = max(p.most, len(p.bound))
	inside, err := p.all(c.LoopCondition(), c.LoopStep(), c.Result())
	p.bound = p.bound[:len(p.bound)-2]
	if err != nil {
		return nil, err
	}
	f := fold{source: outside[0], initial: outside[1], more: inside[0], next: inside[1], result: inside[2], at: len(p.bound), collects: collects(c)}
	return f.run, nil
}

// collects reports whether a comprehension only appends to a list, like map and
// filter.
func collects(c ast.ComprehensionExpr) bool {
	return c.AccuInit().Kind() == ast.ListKind && c.Result().Kind() == ast.IdentKind && c.Result().AsIdent() == c.AccuVar()
}

// A fold is a comprehension.
type fold struct {
	source, initial, more, next, result step
	at                                  int // index of the accumulator; the element's is the next
	collects                            bool
}

func (f fold) run(r *run) ref.Val {
	source := f.source(r)
	if types.IsError(source) {
		return source
	}
	elements, ok := r.elements(source)
	if !ok {
		return types.NewErr("got %s, expected a list or a map", source.Type().TypeName())
	}
	if r.bound[f.at] = f.initial(r); f.collects {
		r.lists[f.at] = nil
	}
	size := int(elements.Size().(types.Int))
	for i := range size {
		r.bound[f.at+1] = elements.Get(types.Int(i))
		if more := f.more(r); more != types.True {
			if types.IsError(more) {
				return more
			}
			break
		}
		r.bound[f.at] = f.next(r)
		if f.collects && types.IsError(r.bound[f.at]) {
			return r.bound[f.at]
		}
	}
	if f.collects {
		return types.NewRefValList(types.DefaultTypeAdapter, r.lists[f.at])
	}
	return f.result(r)
}

// appended compiles accumulator + [element] of map and filter, which appends in
// place.
func (p *planner) appended(args []ast.Expr) (step, error) {
	if args[0].Kind() != ast.IdentKind || !strings.HasPrefix(args[0].AsIdent(), "@") || args[1].Kind() != ast.ListKind || args[1].AsList().Size() != 1 {
		return nil, nil
	}
	element, err := p.plan(args[1].AsList().Elements()[0])
	if err != nil {
		return nil, err
	}
	at := len(p.bound) - 2
	return func(r *run) ref.Val {
		v := element(r)
		if types.IsError(v) {
			return v
		}
		r.keep(perValue)
		r.lists[at] = append(r.lists[at], v)
		return r.bound[at]
	}, nil
}

// logical compiles && or ||: one value decides, whatever the others are, even
// errors.
func logical(terms []step, decides types.Bool) step {
	return func(r *run) ref.Val {
		var failed ref.Val
		for _, s := range terms {
			v := s(r)
			if v == decides {
				return decides
			}
			if _, ok := v.(types.Bool); !ok && failed == nil {
				failed = types.MaybeNoSuchOverloadErr(v)
			}
		}
		if failed != nil {
			return failed
		}
		return !decides
	}
}

func conditional(args []step) step {
	return func(r *run) ref.Val {
		switch c := args[0](r); c {
		case types.True:
			return args[1](r)
		case types.False:
			return args[2](r)
		default:
			return types.MaybeNoSuchOverloadErr(c)
		}
	}
}

// notStrictlyFalse compiles the condition under which all and exists continue.
func notStrictlyFalse(arg step) step {
	return func(r *run) ref.Val { return types.Bool(arg(r) != types.False) }
}

// call compiles a call; operators are calls too.
func (p *planner) call(e ast.Expr) (step, error) {
	c := e.AsCall()
	nodes := c.Args()
	if c.IsMemberFunction() {
		nodes = append([]ast.Expr{c.Target()}, nodes...)
	}
	if c.FunctionName() == operators.Add {
		if s, err := p.appended(nodes); s != nil || err != nil {
			return s, err
		}
	}
	args, err := p.all(nodes...)
	if err != nil {
		return nil, err
	}
	switch name := c.FunctionName(); name {
	case operators.LogicalAnd:
		return logical(args, types.False), nil
	case operators.LogicalOr:
		return logical(args, types.True), nil
	case operators.Conditional:
		return conditional(args), nil
	case operators.NotStrictlyFalse:
		return notStrictlyFalse(args[0]), nil
	case "matches":
		return matches(args[0], nodes[1])
	default:
		return p.function(e, name, args)
	}
}

// function compiles a function whose arguments are values, not errors.
func (p *planner) function(e ast.Expr, name string, args []step) (step, error) {
	f := metered[name]
	if f == nil {
		f = p.standard(e, name)
	}
	if f == nil {
		return nil, fmt.Errorf("%s is not supported in conditions", name)
	}
	return func(r *run) ref.Val {
		var room [2]ref.Val
		values := room[:0]
		for _, s := range args {
			v := s(r)
			if types.IsError(v) {
				return v
			}
			values = append(values, v)
		}
		return f(r, values)
	}, nil
}
