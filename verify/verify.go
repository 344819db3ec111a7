// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/intoto"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// Verify verifies that b is a bundle for a that meets r. A refusal is an [*Error]. Any
// other error means that there is no decision: the artifact could not be read (see
// [ErrArtifactRead]), or v was not made by [New]. The artifact is read at most once, and
// not at all if b is refused first.
func (v *Verifier) Verify(b *bundle.Bundle, a Artifact, r Requirements) (*Result, error) {
	c := &claim{Verifier: v, bundle: b, artifact: a, required: r}
	if err := c.run(func(Step, error) {}); err != nil {
		return nil, err
	}
	return &c.result, nil
}

// run performs the steps in order, up to the first that refuses. It calls taken after each.
func (c *claim) run(taken func(Step, error)) error {
	if c.Verifier == nil || c.logs == nil {
		return errors.New("verifying bundle: the Verifier was not made by verify.New, so it has no trusted root")
	}
	for _, step := range []struct {
		step  Step
		check func() error
	}{
		{StepShape, c.shape},         // 1 well-formed, including the parts that bundle.Parse does not decode
		{StepTimes, c.times},         // 2 timestamps and signed entry timestamps verified → trusted times
		{StepChain, c.chain},         // 3 RFC 5280 path to an authority of the root at each time
		{StepSCT, c.sct},             // 4 against the CT log keys valid then
		{StepIdentity, c.identity},   // 5 identity or key ∈ policy
		{StepLog, c.log},             // 6 entry is this bundle's → inclusion proof → checkpoint → log key
		{StepSignature, c.signature}, // 7 key over the artifact's digest, or over the envelope's PAE
		{StepStatement, c.statement}, // 8 subject is the artifact; predicate type allowed
		// 9 revocation: comes with revocation lists
	} {
		err := step.check()
		if err != nil {
			err = at(step.step, err)
		}
		taken(step.step, err)
		if err != nil {
			return err
		}
	}
	return nil
}

// at adds the step to a refusal.
func at(step Step, err error) error {
	var refusal *Error
	if errors.As(err, &refusal) {
		refusal.Step = step
		return refusal
	}
	return fmt.Errorf("verifying bundle: %w", err)
}

// A claim is a bundle being verified, with the results of the steps so far.
type claim struct {
	*Verifier
	bundle   *bundle.Bundle
	artifact Artifact
	required Requirements

	leaf    *x509.Certificate   // shape; nil for a bundle with a key
	extra   []*x509.Certificate // shape: certificates above the leaf in an old bundle's chain
	entries []entry             // shape: entries of logs in the trusted root
	changed error               // log: why the artifact differs from that of bundle and entry
	route   route               // chain: of leaf, at the last of the times
	issuer  *x509.Certificate   // chain: of leaf
	scts    []promise           // sct: verified ones
	keys    []crypto.PublicKey  // identity: candidates for the signature; log narrows them down
	digests digests             // of the artifact
	signed  digests             // of the signed content
	payload digests             // of the envelope's payload
	alg     sigalg.Algorithm    // signature: of the verified signature
	result  Result
}

// A Result holds the verified facts of a bundle.
type Result struct {
	Identity    identity.Identity // who signed; zero for a key
	Certificate *x509.Certificate // nil for a key
	Key         crypto.PublicKey  // key that verified the signature
	Times       []Time            // when the signature existed, at least one unless policy waived it
	Entries     []Entry           // log entries that were verified
	Statement   *intoto.Statement // attested statement; nil for a signature over the artifact's bytes
	Hash        crypto.Hash       // of Digest
	Digest      []byte            // of the artifact, with the hash of the signature or statement
}

// A Verifier verifies bundles against one trusted root. It is safe for concurrent
// use.
type Verifier struct {
	logs     map[string][]*log       // by log ID
	ctLogs   map[string][]*trust.Log // by log ID
	cas      []*authority
	tsas     []*authority
	stampers []*x509.Certificate // timestamp authorities' own certificates
}

// A log is a transparency log with values derived from it once.
type log struct {
	*trust.Log
	names     []string // allowed origins of checkpoints, derived from its base URL
	verifiers []note.Verifier
}

// New returns a verifier for root, which must not be changed afterwards.
func New(root *trust.Root) (*Verifier, error) {
	if root == nil {
		return nil, errors.New("making verifier: no trusted root")
	}
	v := &Verifier{logs: map[string][]*log{}, ctLogs: map[string][]*trust.Log{}}
	for i := range root.Logs {
		l, err := newLog(&root.Logs[i])
		if err != nil {
			return nil, fmt.Errorf("making verifier: log %d: %w", i, err)
		}
		v.logs[string(l.ID)] = append(v.logs[string(l.ID)], l)
	}
	for i := range root.CTLogs {
		l := &root.CTLogs[i]
		v.ctLogs[string(l.ID)] = append(v.ctLogs[string(l.ID)], l)
	}
	for i := range root.CertificateAuthorities {
		a, err := newAuthority(&root.CertificateAuthorities[i], x509.ExtKeyUsageCodeSigning)
		if err != nil {
			return nil, fmt.Errorf("making verifier: certificate authority %d: %w", i, err)
		}
		v.cas = append(v.cas, a)
	}
	for i := range root.TimestampAuthorities {
		a, err := newAuthority(&root.TimestampAuthorities[i], x509.ExtKeyUsageTimeStamping)
		if err != nil {
			return nil, fmt.Errorf("making verifier: timestamp authority %d: %w", i, err)
		}
		v.tsas = append(v.tsas, a)
		if a.own != nil {
			v.stampers = append(v.stampers, a.own)
		}
	}
	return v, nil
}

// newLog derives the names that the log's checkpoints may carry: the base URL
// without its scheme, with path or without, with port or without. It is "the
// expected server name" (Rekor v2 specification §7.2).
func newLog(l *trust.Log) (*log, error) {
	out := &log{Log: l}
	u, err := url.Parse(l.BaseURL)
	if err != nil || u.Host == "" {
		return out, nil // without a name: only its signed entry timestamps can verify
	}
	path := strings.TrimRight(u.Path, "/")
	for _, name := range []string{u.Hostname(), u.Hostname() + path, u.Host, u.Host + path} {
		if slices.Contains(out.names, name) {
			continue
		}
		verifier, err := checkpoint.NewVerifier(name, l.Key)
		if err != nil {
			return nil, err
		}
		out.names = append(out.names, name)
		out.verifiers = append(out.verifiers, verifier)
	}
	return out, nil
}
