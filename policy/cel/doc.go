// Package cel compiles the conditions of policies: expressions of the Common
// Expression Language over an in-toto statement.
//
//	predicate.buildDefinition.buildType == "https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1"
//	  && predicate.runDetails.builder.id.startsWith("https://github.com/acme/")
//
// The variables are predicate, predicateType and subject, a list of
// {name, digest}. An expression must be a truth value; its cost is limited.
// Numbers of the statement without fraction are whole numbers.
//
// Source: the CEL specification, https://cel.dev, as cel.dev/cel-go implements it;
// in-toto Statement v1.
package cel
