// SPDX-License-Identifier: Apache-2.0

package identity

import "fmt"

// A Build is the issuer's description of the automated build that signed: the
// extensions .9 to .24 of oid-info.md, and .2 to .6 of older GitHub
// certificates. An empty field is an absent extension.
type Build struct {
	// Raw strings, which oid-info.md deprecates in favor of .9 onwards.
	GitHubWorkflowTrigger    string // .2
	GitHubWorkflowSHA        string // .3
	GitHubWorkflowName       string // .4
	GitHubWorkflowRepository string // .5
	GitHubWorkflowRef        string // .6

	SignerURI                string // .9 build signer URI: the workflow that signed
	SignerDigest             string // .10 build signer digest
	RunnerEnvironment        string // .11 "github-hosted" or "self-hosted"
	SourceRepositoryURI      string // .12
	SourceRepositoryDigest   string // .13 commit
	SourceRepositoryRef      string // .14
	SourceRepositoryID       string // .15
	SourceRepositoryOwnerURI string // .16
	SourceRepositoryOwnerID  string // .17
	ConfigURI                string // .18 build config URI: the workflow that was started
	ConfigDigest             string // .19
	Trigger                  string // .20 event that started the build
	RunInvocationURI         string // .21
	SourceVisibility         string // .22 "public" or "private", when it was signed
	DeploymentEnvironment    string // .23
	TokenSubject             string // .24 sub of the token
}

// Last arcs of the extensions under 1.3.6.1.4.1.57264.1 that do not describe a
// build.
const (
	arcIssuerRaw = 1
	arcUsername  = 7
	arcIssuer    = 8
)

// A Field names a field of [Build] by the last arc of its extension.
type Field int

// The fields that policies use. Every arc of Build is a Field; [FieldByName]
// knows all of them.
const (
	SignerURI                Field = 9
	RunnerEnvironment        Field = 11
	SourceRepositoryURI      Field = 12
	SourceRepositoryRef      Field = 14
	SourceRepositoryID       Field = 15
	SourceRepositoryOwnerURI Field = 16
	SourceRepositoryOwnerID  Field = 17
	ConfigURI                Field = 18
	Trigger                  Field = 20
	DeploymentEnvironment    Field = 23
)

// String returns the field's name for people.
func (f Field) String() string {
	for _, known := range buildFields {
		if known.arc == int(f) {
			return known.name
		}
	}
	return fmt.Sprintf("Field(%d)", int(f))
}

// FieldByName returns the field with the name that [Field.String] returns, or
// zero if there is none.
func FieldByName(name string) Field {
	for _, known := range buildFields {
		if known.name == name {
			return Field(known.arc)
		}
	}
	return 0
}

// Fields returns all fields in the order of their arcs.
func Fields() []Field {
	all := make([]Field, len(buildFields))
	for i, known := range buildFields {
		all[i] = Field(known.arc)
	}
	return all
}

// Get returns the value of a field. It is empty if the field is absent or
// unknown.
func (b Build) Get(f Field) string {
	for _, known := range buildFields {
		if known.arc == int(f) {
			return *known.value(&b)
		}
	}
	return ""
}

// Set sets the value of a field. It does nothing if the field is unknown.
func (b *Build) Set(f Field, value string) {
	for _, known := range buildFields {
		if known.arc == int(f) {
			*known.value(b) = value
		}
	}
}

// buildFields lists the fields of Build in the order of their arcs. The first
// five are raw strings, the others DER UTF8Strings (oid-info.md).
var buildFields = []struct {
	arc   int
	raw   bool
	name  string
	value func(*Build) *string
}{
	{2, true, "GitHub workflow trigger", func(b *Build) *string { return &b.GitHubWorkflowTrigger }},
	{3, true, "GitHub workflow SHA", func(b *Build) *string { return &b.GitHubWorkflowSHA }},
	{4, true, "GitHub workflow name", func(b *Build) *string { return &b.GitHubWorkflowName }},
	{5, true, "GitHub workflow repository", func(b *Build) *string { return &b.GitHubWorkflowRepository }},
	{6, true, "GitHub workflow ref", func(b *Build) *string { return &b.GitHubWorkflowRef }},
	{9, false, "signer URI", func(b *Build) *string { return &b.SignerURI }},
	{10, false, "signer digest", func(b *Build) *string { return &b.SignerDigest }},
	{11, false, "runner environment", func(b *Build) *string { return &b.RunnerEnvironment }},
	{12, false, "source repository URI", func(b *Build) *string { return &b.SourceRepositoryURI }},
	{13, false, "source repository digest", func(b *Build) *string { return &b.SourceRepositoryDigest }},
	{14, false, "source repository ref", func(b *Build) *string { return &b.SourceRepositoryRef }},
	{15, false, "source repository ID", func(b *Build) *string { return &b.SourceRepositoryID }},
	{16, false, "source repository owner URI", func(b *Build) *string { return &b.SourceRepositoryOwnerURI }},
	{17, false, "source repository owner ID", func(b *Build) *string { return &b.SourceRepositoryOwnerID }},
	{18, false, "config URI", func(b *Build) *string { return &b.ConfigURI }},
	{19, false, "config digest", func(b *Build) *string { return &b.ConfigDigest }},
	{20, false, "trigger", func(b *Build) *string { return &b.Trigger }},
	{21, false, "run invocation URI", func(b *Build) *string { return &b.RunInvocationURI }},
	{22, false, "source visibility", func(b *Build) *string { return &b.SourceVisibility }},
	{23, false, "deployment environment", func(b *Build) *string { return &b.DeploymentEnvironment }},
	{24, false, "token subject", func(b *Build) *string { return &b.TokenSubject }},
}
