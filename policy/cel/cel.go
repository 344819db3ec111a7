// SPDX-License-Identifier: Apache-2.0

package cel

import (
	"errors"
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"github.com/go-json-experiment/json"

	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

const maxExpression = 16 << 10 // bytes

// Compile implements [policy.Compiler].
func Compile(expression string) (policy.Condition, error) {
	c, err := compile(expression)
	if err != nil {
		return nil, err
	}
	return func(s *intoto.Statement) (bool, error) {
		holds, _, err := c.evaluate(s)
		return holds, err
	}, nil
}

func compile(expression string) (*condition, error) {
	if len(expression) > maxExpression {
		return nil, fmt.Errorf("expression of %d bytes, at most %d", len(expression), maxExpression)
	}
	env, err := cel.NewEnv(
		cel.Variable("predicate", cel.DynType),
		cel.Variable("predicateType", cel.StringType),
		cel.Variable("subject", cel.ListType(cel.DynType)),
	)
	if err != nil {
		return nil, fmt.Errorf("preparing expressions: %w", err)
	}
	checked, issues := env.Compile(expression)
	if err := issues.Err(); err != nil {
		return nil, fmt.Errorf("compiling expression: %w", err)
	}
	if out := checked.OutputType(); out != cel.BoolType && out != cel.DynType {
		return nil, fmt.Errorf("compiling expression: its type is %s, want bool", out)
	}
	p, err := newPlanner(env, checked.NativeRep())
	if err != nil {
		return nil, fmt.Errorf("preparing expressions: %w", err)
	}
	start, err := p.plan(checked.NativeRep().Expr())
	if err != nil {
		return nil, fmt.Errorf("compiling expression: %w", err)
	}
	return &condition{start, p.most}, nil
}

// A condition is a compiled expression. bound is the number of variables that
// macros bind.
type condition struct {
	start step
	bound int
}

// A subject is a subject as expressions see it.
type subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

// evaluate also returns the meter with what is left.
func (c *condition) evaluate(s *intoto.Statement) (bool, *meter, error) {
	all := make([]subject, len(s.Subject))
	for i, sub := range s.Subject {
		all[i] = subject{sub.Name, sub.Digest}
	}
	subjects, err := json.Marshal(all, json.Deterministic(true))
	if err != nil {
		return false, nil, fmt.Errorf("reading subjects: %w", err)
	}
	predicate := []byte(s.Predicate)
	if len(predicate) == 0 {
		predicate = []byte("{}")
	}
	m := newMeter(len(predicate) + len(subjects))
	holds, err := m.within(func() (bool, error) {
		return truth(c.start(&run{
			meter: m, bound: make([]ref.Val, c.bound), lists: make([][]ref.Val, c.bound),
			vars: map[string]ref.Val{
				"predicate": newDocument(m, predicate).root(), "predicateType": types.String(s.PredicateType), "subject": newDocument(m, subjects).root(),
			},
		}))
	})
	return holds, m, err
}

func truth(value ref.Val) (bool, error) {
	if err, ok := value.(*types.Err); ok {
		return false, fmt.Errorf("evaluating expression: %.500s", err) // the error may repeat megabytes
	}
	holds, ok := value.(types.Bool)
	if !ok {
		return false, errors.New("evaluating expression: the value is not a bool")
	}
	return bool(holds), nil
}
