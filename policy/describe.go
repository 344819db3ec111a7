// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

// Describe returns sentences that describe what the policy accepts.
func (p *Policy) Describe() []string {
	var lines []string
	for _, r := range p.Rules {
		lines = append(lines, r.describe())
	}
	for _, s := range p.Signers {
		lines = append(lines, s.describe()...)
	}
	lines = append(lines,
		fmt.Sprintf("each bundle is in %d or more distinct logs and has %d or more distinct sources of time", max(p.LogThreshold, 1), max(p.TimestampThreshold, 1)))
	for _, l := range p.WitnessPolicies {
		lines = append(lines, describeCosigned(l))
	}
	if p.MaxRootAge > 0 {
		lines = append(lines, fmt.Sprintf("the trusted root was fetched no longer than %v ago", p.MaxRootAge))
	}
	return lines
}

func describeCosigned(p checkpoint.WitnessPolicy) string {
	of := "each log entry"
	if len(p.Logs) > 0 {
		var logs []string
		for _, log := range p.Logs {
			logs = append(logs, log.Name)
		}
		of += " of " + strings.Join(logs, ", ")
	}
	return fmt.Sprintf("the checkpoint of %s is cosigned by at least %v", of, p.Quorum)
}

func (r Rule) describe() string {
	who := strings.Join(r.SignedBy, " or ")
	if len(r.SignedBy) > 1 {
		who = fmt.Sprintf("at least %d of %s", r.AtLeast, strings.Join(r.SignedBy, ", "))
	}
	var kinds []string
	for _, kind := range r.Accepts {
		switch kind {
		case Any:
			kinds = append(kinds, "signed its bytes or stated something about it")
		case Signature:
			kinds = append(kinds, "signed its bytes")
		default:
			kinds = append(kinds, "stated "+kind)
		}
	}
	text := who + " must have " + strings.Join(kinds, " or ")
	if r.Where != "" {
		text += ", where " + strings.Join(strings.Fields(r.Where), " ")
	}
	return text
}

func (s Signer) describe() []string {
	if s.Key != nil {
		der, err := x509.MarshalPKIXPublicKey(s.Key)
		if err != nil {
			return []string{s.Name + " is a key that cannot be written down"}
		}
		sum := sha256.Sum256(der)
		return []string{s.Name + " is the key sha256:" + hex.EncodeToString(sum[:])}
	}
	lines := []string{fmt.Sprintf("%s is %s, vouched for by %s", s.Name, words(s.Matcher.Subject), words(s.Matcher.Issuer))}
	for _, f := range s.Matcher.Fields() {
		lines = append(lines, fmt.Sprintf("%s has the %v %s", s.Name, f, words(s.Matcher.Build[f])))
	}
	return lines
}

func words(p identity.Pattern) string {
	if p.IsExact() {
		return p.String()
	}
	return "anything like " + p.String()
}

// Warnings returns parts of the policy that are valid but broader than usually
// intended.
func (p *Policy) Warnings() []string {
	var warnings []string
	for _, s := range p.Signers {
		if s.Key == nil {
			warnings = append(warnings, s.warnings()...)
		}
	}
	slices.Sort(warnings)
	return warnings
}

func (s Signer) warnings() []string {
	var warnings []string
	warn := func(format string, args ...any) {
		warnings = append(warnings, s.Name+": "+fmt.Sprintf(format, args...))
	}
	if s.Matcher.Subject.IsExact() && strings.Contains(s.Matcher.Subject.String(), "*") {
		warn("the star in the subject %s is a star; write {glob: …}, if it is to stand for anything", s.Matcher.Subject)
	}
	if broad(s.Matcher.Subject) {
		warn("the subject %s is almost anything", s.Matcher.Subject)
	}
	if !s.Matcher.Issuer.IsExact() {
		warn("the issuer %s is a pattern, and each matching issuer vouches for any name", s.Matcher.Issuer)
	}
	if s.Kind != "github" && s.Kind != "gitlab" {
		return warnings
	}
	if id, ok := s.Matcher.Build[identity.SourceRepositoryID]; !ok || !id.IsExact() {
		warn("without the repository's number, anyone who takes over its name is trusted")
	}
	if _, ok := s.Matcher.Build[identity.SourceRepositoryRef]; !ok {
		warn("any branch or tag may sign, also one that was never reviewed; say ref")
	}
	if repository := s.Matcher.Build[identity.SourceRepositoryURI]; !repository.IsExact() && starsIn(repository.String(), 1) {
		warn("the repository %s is a pattern for any owner", repository)
	}
	return warnings
}

// broad reports whether a subject does not fix its domain or host.
func broad(subject identity.Pattern) bool {
	if subject.IsExact() {
		return false
	}
	if !strings.Contains(subject.String(), "://") {
		at := strings.LastIndexByte(subject.String(), '@')
		return strings.Contains(subject.String()[at+1:], "*")
	}
	return starsIn(subject.String(), 0)
}

// starsIn reports whether the host of a URI has a star, or one of so many segments
// of the path after it.
func starsIn(uri string, segments int) bool {
	scheme, rest, _ := strings.Cut(uri, "://")
	parts := strings.SplitN(rest, "/", segments+2)
	return strings.Contains(scheme+strings.Join(parts[:min(len(parts), segments+1)], ""), "*")
}
