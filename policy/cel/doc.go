// SPDX-License-Identifier: Apache-2.0

// Package cel compiles the conditions of policies: expressions of the Common
// Expression Language over an in-toto statement.
//
//	predicate.buildDefinition.buildType == "https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1"
//	  && predicate.runDetails.builder.id.startsWith("https://github.com/acme/")
//
// The variables are predicate, predicateType and subject, a list of {name,
// digest}. An expression must have type bool. Numbers of the statement without
// fraction are integers.
//
// cel-go parses and checks expressions and implements the functions. This
// package evaluates them, because cel-go charges the cost of a step only after
// it has run, and not of all steps. Here each step is charged to a meter first,
// and a predicate is not decoded into memory. FuzzCondition compares the
// results with those of cel-go's interpreter.
//
// Source: the CEL specification, https://cel.dev, as cel.dev/cel-go implements
// it; in-toto Statement v1.
package cel
