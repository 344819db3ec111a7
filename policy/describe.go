package policy

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hallmark-sign/hallmark/identity"
)

// Describe says in sentences what the policy accepts, one a line.
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
	if p.MaxRootAge > 0 {
		lines = append(lines, fmt.Sprintf("the trusted root was fetched no longer than %v ago", p.MaxRootAge))
	}
	return lines
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
	for _, f := range slices.Sorted(maps.Keys(s.Matcher.Build)) {
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

// Warnings are what is allowed, and yet is seldom meant.
func (p *Policy) Warnings() []string {
	var warnings []string
	for _, s := range p.Signers {
		if s.Key != nil {
			continue
		}
		for name, pattern := range map[string]identity.Pattern{"subject": s.Matcher.Subject, "issuer": s.Matcher.Issuer} {
			if strings.HasPrefix(pattern.String(), "*") && !strings.Contains(pattern.String(), "@") || strings.HasPrefix(pattern.String(), "**") {
				warnings = append(warnings, fmt.Sprintf("%s: the %s %s is almost anything", s.Name, name, pattern))
			}
		}
		if s.Kind != "github" && s.Kind != "gitlab" {
			continue
		}
		if id, ok := s.Matcher.Build[identity.SourceRepositoryID]; !ok || !id.IsExact() {
			warnings = append(warnings, s.Name+": without the repository's number whoever takes over its name is trusted")
		}
		if _, ok := s.Matcher.Build[identity.SourceRepositoryRef]; !ok {
			warnings = append(warnings, s.Name+": any branch or tag may sign, also one that was never reviewed; say ref")
		}
	}
	slices.Sort(warnings)
	return warnings
}
