// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hallmark-sign/hallmark/identity"
)

// A Step is one of the nine steps of Verify.
type Step int

// The steps, in their order.
const (
	StepShape Step = iota + 1
	StepTimes
	StepChain
	StepSCT
	StepIdentity
	StepLog
	StepSignature
	StepStatement
	StepRevocation // comes with revocation lists; only Explain names it
)

// String returns the step's name in messages.
func (s Step) String() string {
	names := []string{"shape", "times", "chain", "sct", "identity", "log", "signature", "statement", "revocation"}
	if s < StepShape || int(s) > len(names) {
		return fmt.Sprintf("Step(%d)", int(s))
	}
	return names[s-1]
}

// An Error is a refusal. Step is zero if a policy refused before the first step. Programs
// should act on Code. Expected and Found are for people, and empty if nothing was compared.
type Error struct {
	Step     Step
	Code     Code
	Expected string
	Found    string
	Err      error // the cause; may be nil
}

// Error returns a text such as "verifying bundle: log: checkpoint-invalid: …".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("verifying bundle: ")
	if e.Step != 0 {
		fmt.Fprintf(&b, "%v: ", e.Step)
	}
	b.WriteString(string(e.Code))
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.Expected != "" || e.Found != "" {
		fmt.Fprintf(&b, ": expected %s, found %s", e.Expected, e.Found)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// refuse returns a refusal with a cause.
func refuse(code Code, format string, args ...any) error {
	return &Error{Code: code, Err: fmt.Errorf(format, args...)}
}

// differ returns a refusal that names what was expected and what was found.
func differ(code Code, expected, found string) error {
	return &Error{Code: code, Expected: expected, Found: found}
}

// A Code is the reason of a refusal. Codes are stable, so programs and manuals may refer to
// them.
type Code string

// The codes. Meaning explains each.
const (
	Malformed               Code = "malformed"
	OtherInstance           Code = "other-instance"
	TimestampMissing        Code = "timestamp-missing"
	TimestampInvalid        Code = "timestamp-invalid"
	TimestampUntrusted      Code = "timestamp-untrusted"
	ThresholdTimestamps     Code = "threshold-timestamps"
	ChainUntrusted          Code = "chain-untrusted"
	CertificateExpired      Code = "certificate-expired"
	SCTMissing              Code = "sct-missing"
	SCTInvalid              Code = "sct-invalid"
	IdentityMismatch        Code = "identity-mismatch"
	RepositoryRenamed       Code = "repository-renamed"
	RepositoryReplaced      Code = "repository-replaced"
	KeyMismatch             Code = "key-mismatch"
	LogMissing              Code = "log-missing"
	LogUnknown              Code = "log-unknown"
	LogPromiseInvalid       Code = "log-promise-invalid"
	LogEntryMismatch        Code = "log-entry-mismatch"
	LogProofInvalid         Code = "log-proof-invalid"
	CheckpointInvalid       Code = "checkpoint-invalid"
	ThresholdWitnesses      Code = "threshold-witnesses"
	ThresholdLogs           Code = "threshold-logs"
	ArtifactMismatch        Code = "artifact-mismatch"
	DigestAlgorithmMismatch Code = "digest-algorithm-mismatch"
	SignatureInvalid        Code = "signature-invalid"
	StatementInvalid        Code = "statement-invalid"
	SubjectMismatch         Code = "subject-mismatch"
	PredicateTypeMismatch   Code = "predicate-type-mismatch"
	PredicateMismatch       Code = "predicate-mismatch"
	ConditionTooCostly      Code = "condition-too-costly" // neither no nor yes
	ThresholdIdentities     Code = "threshold-identities"
	FactMissing             Code = "fact-missing" // neither no nor yes
	TrustStale              Code = "trust-stale"  // neither no nor yes
)

var meanings = []struct {
	code Code
	text string
}{
	{Malformed, "the bundle is not put together as its version asks"},
	{OtherInstance, "the bundle was made with another instance: the trusted root knows neither its certificate authority nor its logs"},
	{TimestampMissing, "nothing in the bundle says when the signature existed"},
	{TimestampInvalid, "a timestamp is malformed, of another signature or not signed by its authority"},
	{TimestampUntrusted, "the timestamp's authority is not in the trusted root, or was not valid at that time"},
	{ThresholdTimestamps, "fewer distinct sources of time than the policy asks for"},
	{ChainUntrusted, "no certificate authority of the trusted root has issued the certificate"},
	{CertificateExpired, "the certificate, or one above it, was not valid when the signature was made"},
	{SCTMissing, "no CT log of the trusted root has promised to show the certificate"},
	{SCTInvalid, "a CT log's promise is not signed by its key, or not about this certificate"},
	{IdentityMismatch, "the policy accepts other identities"},
	{RepositoryRenamed, "the repository that the policy names by its number now has another name"},
	{RepositoryReplaced, "a repository of the right name, but another one: its number, or its owner's, is not the policy's"},
	{KeyMismatch, "the policy names no key, or others than the one that signed"},
	{LogMissing, "the bundle has no log entry"},
	{LogUnknown, "no log entry is of a log in the trusted root that was valid at that time"},
	{LogPromiseInvalid, "a signed entry timestamp is not signed by its log's key"},
	{LogEntryMismatch, "a log entry is about another signature than the bundle's"},
	{LogProofInvalid, "the inclusion proof does not lead to the checkpoint's root"},
	{CheckpointInvalid, "the checkpoint is missing, of another log or tree, or not signed by the log's key"},
	{ThresholdWitnesses, "too few of the witnesses that are asked for have cosigned the checkpoint"},
	{ThresholdLogs, "fewer distinct logs than the policy asks for"},
	{ArtifactMismatch, "the artifact is not the one that was signed"},
	{DigestAlgorithmMismatch, "the artifact's digest was given with another hash than was signed; give the file itself"},
	{SignatureInvalid, "the signature does not fit key and content"},
	{StatementInvalid, "the envelope's payload is not an in-toto statement"},
	{SubjectMismatch, "the statement is about other artifacts"},
	{PredicateTypeMismatch, "what was signed, the artifact's bytes or a statement of some type, is not what the policy accepts"},
	{PredicateMismatch, "the statement's predicate is not as the policy's condition asks"},
	{ConditionTooCostly, "it is unknown whether the statement meets the policy's condition"},
	{ThresholdIdentities, "fewer of the policy's signers have signed than it asks for"},
	{FactMissing, "the policy cannot decide without a fact that is unknown"},
	{TrustStale, "the policy asks for a trusted root that was fetched more recently"},
}

// Codes lists every code, in the order of the steps that return them.
func Codes() []Code {
	codes := make([]Code, len(meanings))
	for i, m := range meanings {
		codes[i] = m.code
	}
	return codes
}

// Meaning returns an explanation of a code in one line, or "" for an unknown code.
func (c Code) Meaning() string {
	for _, m := range meanings {
		if m.code == c {
			return m.text
		}
	}
	return ""
}

// admits refuses an identity that the policy does not name. The error describes the
// difference from the closest matcher.
func (r Requirements) admits(id identity.Identity) error {
	var closest mismatch
	for _, m := range r.Identities {
		differences := m.Differences(id)
		if len(differences) == 0 {
			return nil
		}
		if closest.differences == nil || len(differences) < len(closest.differences) {
			closest = mismatch{m, differences}
		}
	}
	refusal := &Error{Code: closest.code(), Expected: r.names(), Found: person(id.Subject.Value, id.Issuer)}
	if refusal.Code != IdentityMismatch || len(r.Identities) == 1 {
		if expected, found := closest.fields(); expected != "" {
			refusal.Expected, refusal.Found = expected, found
		}
	}
	return refusal
}

// A mismatch is a matcher with the fields in which an identity differs from it.
type mismatch struct {
	identity.Matcher
	differences []identity.Difference
}

// repositoryNames lists the fields that change when a repository or its owner is renamed.
// The numbers do not change and are never reused (GitHub and GitLab, documentation of their
// tokens' repository_id and project_id).
var repositoryNames = []identity.Field{
	identity.SignerURI, identity.SourceRepositoryURI, identity.SourceRepositoryOwnerURI, identity.ConfigURI,
}

// code returns RepositoryRenamed for a renamed repository, RepositoryReplaced for another
// repository of that name, and IdentityMismatch otherwise.
func (m mismatch) code() Code {
	moved, other := false, len(m.differences) > 0
	only := true
	for _, d := range m.differences {
		moved = moved || d.Field == identity.SourceRepositoryURI
		only = only && (d.Name == "subject" || slices.Contains(repositoryNames, d.Field))
		other = other && (d.Field == identity.SourceRepositoryID || d.Field == identity.SourceRepositoryOwnerID)
	}
	number, pinned := m.Build[identity.SourceRepositoryID]
	switch {
	case moved && only && pinned && number.IsExact():
		return RepositoryRenamed
	case other:
		return RepositoryReplaced
	}
	return IdentityMismatch
}

// fields describes the differences of the build. It returns empty strings if the complete
// identities should be shown instead.
func (m mismatch) fields() (expected, found string) {
	var want, got []string
	for _, d := range m.differences {
		switch {
		case d.Name == "issuer":
			return "", ""
		case d.Field == 0:
			continue
		}
		want = append(want, d.Name+" "+d.Want.String())
		if d.Found == "" {
			d.Found = "none"
		}
		got = append(got, d.Name+" "+d.Found)
	}
	return strings.Join(want, ", "), strings.Join(got, ", ")
}
