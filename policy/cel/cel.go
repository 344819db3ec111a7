package cel

import (
	"errors"
	"fmt"
	"strconv"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/overloads"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

const (
	maxExpression = 16 << 10  // bytes
	maxCost       = 1_000_000 // of an evaluation, in units of CEL's cost model
)

// Compile is a policy.Compiler.
func Compile(expression string) (policy.Condition, error) {
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
		return nil, fmt.Errorf("compiling expression: it is a %s, want a truth value", out)
	}
	if err := checkPatterns(checked); err != nil {
		return nil, fmt.Errorf("compiling expression: %w", err)
	}
	program, err := env.Program(checked, cel.CostLimit(maxCost))
	if err != nil {
		return nil, fmt.Errorf("compiling expression: %w", err)
	}
	return func(s *intoto.Statement) (bool, error) { return evaluate(program, s) }, nil
}

// checkPatterns wants regular expressions to stand in the policy: one out of a
// predicate could be megabytes, and compiling it is beyond every limit of cost.
func checkPatterns(checked *cel.Ast) error {
	var err error
	ast.PreOrderVisit(checked.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != overloads.Matches {
			return
		}
		args := e.AsCall().Args()
		if len(args) == 0 || args[len(args)-1].Kind() != ast.LiteralKind {
			err = errors.New("matches wants a pattern that stands in the policy")
		}
	}))
	return err
}

func evaluate(program cel.Program, s *intoto.Statement) (bool, error) {
	var predicate any = map[string]any{}
	if len(s.Predicate) > 0 {
		if err := json.Unmarshal(s.Predicate, &predicate, json.WithUnmarshalers(json.UnmarshalFromFunc(wholeNumbers))); err != nil {
			return false, fmt.Errorf("reading predicate: %w", err)
		}
	}
	subject := make([]any, len(s.Subject))
	for i, sub := range s.Subject {
		subject[i] = map[string]any{"name": sub.Name, "digest": sub.Digest}
	}
	value, _, err := program.Eval(map[string]any{"predicate": predicate, "predicateType": s.PredicateType, "subject": subject})
	if err != nil {
		return false, fmt.Errorf("evaluating expression: %w", err)
	}
	holds, ok := value.Value().(bool)
	if !ok {
		return false, errors.New("evaluating expression: the value is no truth value")
	}
	return holds, nil
}

// wholeNumbers reads numbers without fraction as int64 or uint64, which float64,
// the decoder's own choice, is too coarse for.
func wholeNumbers(d *jsontext.Decoder, v *any) error {
	if d.PeekKind() != '0' {
		return errors.ErrUnsupported
	}
	raw, err := d.ReadValue()
	if err != nil {
		return err
	}
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		*v = n
		return nil
	}
	if n, err := strconv.ParseUint(string(raw), 10, 64); err == nil {
		*v = n
		return nil
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	*v = f
	return err
}
