// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

// Propose returns the tightest policy that the bundles of these results meet: every name
// exact, repositories also by number, and as many signers, logs and sources of time as each
// artifact has. The result is a file for Parse, to be reviewed, and loosened by hand where
// intended.
func Propose(results []*verify.Result) ([]byte, error) {
	if len(results) == 0 {
		return nil, errors.New("proposing policy: no bundle")
	}
	doc := document{Version: 1, Signers: map[string]signer{}, Thresholds: thresholdsOf(results)}
	var names []string
	byName := map[string][]*verify.Result{}
	for _, result := range results {
		if err := checkKind(result); err != nil {
			return nil, fmt.Errorf("proposing policy: %w", err)
		}
		s, err := signerOf(result)
		if err != nil {
			return nil, fmt.Errorf("proposing policy: %w", err)
		}
		name, known := doc.nameFor(s)
		if !known {
			doc.Signers[name] = s
			names = append(names, name)
		}
		byName[name] = append(byName[name], result)
	}
	doc.Require = rulesOf(names, byName, results)
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(doc); err != nil {
		return nil, fmt.Errorf("proposing policy: %w", err)
	}
	if err := errors.Join(encoder.Close(), checkWriting(out.Bytes())); err != nil {
		return nil, fmt.Errorf("proposing policy: %w", err)
	}
	return out.Bytes(), nil
}

// thresholdsOf returns the largest thresholds that every bundle reaches. It leaves
// out 1, the default.
func thresholdsOf(results []*verify.Result) (t thresholds) {
	for i, result := range results {
		logs, times := map[string]bool{}, map[string]bool{}
		for _, e := range result.Entries {
			logs[e.Log.BaseURL] = true
		}
		for _, at := range result.Times {
			times[at.Source()] = true
		}
		if i == 0 {
			t = thresholds{count(len(logs)), count(len(times))}
		}
		t = thresholds{min(t.Logs, count(len(logs))), min(t.Timestamps, count(len(times)))}
	}
	if t.Logs < 2 {
		t.Logs = 0
	}
	if t.Timestamps < 2 {
		t.Timestamps = 0
	}
	return t
}

// rulesOf requires, if all bundles are of one artifact, a signature or statement of each
// signer; otherwise what every artifact has: one of the signers.
func rulesOf(names []string, byName map[string][]*verify.Result, results []*verify.Result) []rule {
	for _, result := range results {
		if !bytes.Equal(result.Digest, results[0].Digest) {
			return []rule{{SignedBy: names, Accepts: accepts(results)}}
		}
	}
	var rules []rule
	for _, name := range names {
		for _, kind := range accepts(byName[name]) {
			r := rule{SignedBy: []string{name}}
			if kind != Signature {
				r.Accepts = []string{kind}
			}
			rules = append(rules, r)
		}
	}
	return rules
}

// accepts returns the kinds of signed content, each once.
func accepts(results []*verify.Result) []string {
	var kinds []string
	for _, result := range results {
		kind := Signature
		if result.Statement != nil && result.Statement.PredicateType != intoto.TypeSigned {
			kind = result.Statement.PredicateType
		}
		if !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// checkKind refuses a statement whose type has a special meaning in a policy: type "any" would
// make the rule accept anything.
func checkKind(result *verify.Result) error {
	if result.Statement == nil {
		return nil
	}
	kind := result.Statement.PredicateType
	if err := checkAccepts([]string{kind}); err != nil || kind == Any || kind == Signature {
		return fmt.Errorf("a statement of type %.100q, which is no URI", kind)
	}
	return nil
}

// nameFor returns a name for a signer, and whether the document has it already.
func (d document) nameFor(s signer) (string, bool) {
	base := s.shortName()
	for i := 1; ; i++ {
		name := base
		if i > 1 {
			name = fmt.Sprintf("%s-%d", base, i)
		}
		known, taken := d.Signers[name]
		if !taken {
			return name, false
		}
		if sameSigner(known, s) {
			return name, true
		}
	}
}

func sameSigner(a, b signer) bool {
	x, errX := yaml.Marshal(a)
	y, errY := yaml.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// shortName returns the mailbox, the repository or the kind.
func (s signer) shortName() string {
	name := "signer"
	switch {
	case !s.Email.IsZero():
		name, _, _ = strings.Cut(s.Email.String(), "@")
	case s.GitHub != nil:
		_, name, _ = strings.Cut(s.GitHub.Repository.String(), "/")
	case s.GitLab != nil:
		name = s.GitLab.Project.String()
		name = name[strings.LastIndexByte(name, '/')+1:]
	case s.CI != nil:
		name = "ci"
	case s.Key != "":
		name = "key"
	}
	plain := func(r rune) rune {
		if r == '-' || r == '.' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '-'
	}
	if name = strings.Map(plain, name); name == "" {
		name = "signer"
	}
	return name
}

// signerOf returns the signer of a bundle, with the fields of the service that built it.
func signerOf(result *verify.Result) (signer, error) {
	if result.Certificate == nil {
		der, err := x509.MarshalPKIXPublicKey(result.Key)
		if err != nil {
			return signer{}, err
		}
		return signer{Key: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))}, nil
	}
	id := result.Identity
	for _, written := range []signer{gitHubOf(id), gitLabOf(id), ciOf(id)} {
		if c, err := written.compile(); err == nil && c.Matcher.Match(id) {
			return written, nil
		}
	}
	out := signer{Issuer: exactly(id.Issuer)}
	switch id.Subject.Type {
	case identity.Email:
		out.Email = exactly(id.Subject.Value)
	case identity.URI:
		out.URI = exactly(id.Subject.Value)
	default:
		return signer{}, fmt.Errorf("%s: policies name no signer by %s", id.Subject.Value, id.Subject.Type)
	}
	return out, nil
}

func exactly(value string) text {
	if value == "" {
		return text{}
	}
	return text{identity.Exact(value)}
}

// below returns the rest of value after a prefix, or "" if value does not begin with it.
func below(value, prefix string) string {
	rest, ok := strings.CutPrefix(value, prefix)
	if !ok {
		return ""
	}
	return rest
}

func gitHubOf(id identity.Identity) signer {
	if id.Issuer != gitHubIssuer {
		return signer{}
	}
	b := id.Build
	path, _, _ := strings.Cut(below(b.ConfigURI, b.SourceRepositoryURI+"/"), "@")
	g := &gitHub{
		Repository: exactly(below(b.SourceRepositoryURI, gitHubServer+"/")), RepositoryID: exactly(b.SourceRepositoryID),
		OwnerID: exactly(b.SourceRepositoryOwnerID), Workflow: exactly(path), Ref: exactly(b.SourceRepositoryRef),
		Trigger: exactly(b.Trigger), Environment: exactly(b.DeploymentEnvironment), Runner: exactly(b.RunnerEnvironment),
	}
	if id.Subject.Value != b.ConfigURI {
		g.Signer = exactly(below(id.Subject.Value, gitHubServer+"/"))
	}
	return signer{GitHub: g}
}

func gitLabOf(id identity.Identity) signer {
	if id.Issuer != gitLabServer {
		return signer{}
	}
	b := id.Build
	path, _, _ := strings.Cut(below(b.ConfigURI, b.SourceRepositoryURI+"//"), "@")
	return signer{GitLab: &gitLab{
		Project: exactly(below(b.SourceRepositoryURI, gitLabServer+"/")), ProjectID: exactly(b.SourceRepositoryID),
		NamespaceID: exactly(b.SourceRepositoryOwnerID), Config: exactly(path), Ref: exactly(b.SourceRepositoryRef),
		Environment: exactly(b.DeploymentEnvironment),
	}}
}

// ciOf returns the signer of a build of another CI service, which names at least
// its repository.
func ciOf(id identity.Identity) signer {
	b := id.Build
	if b.SourceRepositoryURI == "" {
		return signer{}
	}
	return signer{CI: &ci{
		Issuer: exactly(id.Issuer), Subject: exactly(id.Subject.Value), Repository: exactly(b.SourceRepositoryURI),
		RepositoryID: exactly(b.SourceRepositoryID), Ref: exactly(b.SourceRepositoryRef), Workflow: exactly(b.ConfigURI),
	}}
}
