// Package verdict judges artifacts and says what came of it: it finds files and
// their bundles, holds them to a policy, several at once, and reports in the one
// shape that people and machines read.
//
// A file without a bundle is unsigned only where its bundle was looked for and is
// not there; what could not be looked at is undecided. A bundle that is refused
// does no harm beside one that meets the policy, as anybody can add one.
//
// Source: docs/reference/errors.md for codes and exit statuses, docs/reference/verdict.schema.json for
// the JSON of a Report.
package verdict
