// Package cel compiles the conditions of policies: expressions of the Common
// Expression Language over an in-toto statement.
//
//	predicate.buildDefinition.buildType == "https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1"
//	  && predicate.runDetails.builder.id.startsWith("https://github.com/acme/")
//
// The variables are predicate, predicateType and subject, a list of
// {name, digest}. An expression must be a truth value. Numbers of the statement
// without fraction are whole numbers.
//
// cel-go parses and checks expressions and has the functions; the evaluation is of
// this package, as cel-go's asks what a step took after it has run, and not of all.
// Here each takes from a meter before it runs, and a predicate is read where it
// stands. FuzzCondition compares the answers with those of cel-go's interpreter.
//
// Source: the CEL specification, https://cel.dev, as cel.dev/cel-go implements it;
// in-toto Statement v1.
package cel
