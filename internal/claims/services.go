// SPDX-License-Identifier: Apache-2.0

package claims

import (
	"fmt"
	"maps"
	"net/url"
	"slices"

	"github.com/hallmark-sign/hallmark/identity"
)

// described is a built-in description of a CI service, by the names of its claims.
type described struct {
	variable string // the claim with the origin, of which tokens may lack a value
	optional []string
	subject  string
	build    map[string]string // templates by the names of the fields
}

// NewService returns the built-in description of a CI service, for tokens of the issuer.
// It reports false for a name that is none of [ServiceNames].
func NewService(name, issuer string) (Service, bool) {
	d, ok := services[name]
	if !ok {
		return Service{}, false
	}
	s := Service{Origin: originOf(issuer), Subject: mustTemplate(d.subject), Build: map[identity.Field]Template{}, Defaults: map[string]string{}}
	for field, text := range d.build {
		s.Build[identity.FieldByName(field)] = mustTemplate(text)
	}
	for _, claim := range d.optional {
		s.Defaults[claim] = ""
	}
	if d.variable != "" {
		s.Defaults[d.variable] = s.Origin
	}
	return s, true
}

// originOf returns the origin of the pages that belong to an issuer: the service's own,
// or that of the issuer if the service is installed at another host.
func originOf(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil {
		return ""
	}
	if own, known := hosted[u.Host]; known {
		return own
	}
	return u.Scheme + "://" + u.Host
}

// hosted has the origins of services whose issuer has another host than their pages.
var hosted = map[string]string{
	"token.actions.githubusercontent.com": "https://github.com",
	"agent.buildkite.com":                 "https://buildkite.com",
	"oidc.circleci.com":                   "https://circleci.com",
	"oidc.codefresh.io":                   "https://g.codefresh.io",
}

// ServiceNames returns the names of the built-in services, sorted.
func ServiceNames() []string { return slices.Sorted(maps.Keys(services)) }

func mustTemplate(text string) Template {
	t, err := ParseTemplate(text)
	if err != nil {
		panic(fmt.Sprintf("claims: %v", err)) // TestServices has parsed all of them
	}
	return t
}

// services are the CI services that are known by name. The claims are those of the
// table "Mapping OIDC token claims to Fulcio OIDs" of oid-info.md; those of Jenkins are
// the defaults of its OpenID Connect Provider plugin.
var services = map[string]described{
	"github": {
		variable: "server_url", optional: []string{"environment"},
		subject: "{{.server_url}}/{{.job_workflow_ref}}",
		build: map[string]string{
			"GitHub workflow trigger": "event_name", "GitHub workflow SHA": "sha", "GitHub workflow name": "workflow",
			"GitHub workflow repository": "repository", "GitHub workflow ref": "ref",
			"signer URI": "{{.server_url}}/{{.job_workflow_ref}}", "signer digest": "job_workflow_sha",
			"runner environment":    "runner_environment",
			"source repository URI": "{{.server_url}}/{{.repository}}", "source repository digest": "sha", "source repository ref": "ref",
			"source repository ID": "repository_id", "source repository owner URI": "{{.server_url}}/{{.repository_owner}}",
			"source repository owner ID": "repository_owner_id",
			"config URI":                 "{{.server_url}}/{{.workflow_ref}}", "config digest": "workflow_sha", "trigger": "event_name",
			"run invocation URI": "{{.server_url}}/{{.repository}}/actions/runs/{{.run_id}}/attempts/{{.run_attempt}}",
			"source visibility":  "repository_visibility", "deployment environment": "environment",
		},
	},
	"gitlab": {
		variable: "server_url", optional: []string{"environment"},
		subject: "https://{{.ci_config_ref_uri}}",
		build: map[string]string{
			"signer URI": "https://{{.ci_config_ref_uri}}", "signer digest": "ci_config_sha", "runner environment": "runner_environment",
			"source repository URI": "{{.server_url}}/{{.project_path}}", "source repository digest": "sha",
			"source repository ref": `refs/{{if eq .ref_type "branch"}}heads{{else}}tags{{end}}/{{.ref}}`,
			"source repository ID":  "project_id", "source repository owner URI": "{{.server_url}}/{{.namespace_path}}",
			"source repository owner ID": "namespace_id", "config URI": "https://{{.ci_config_ref_uri}}", "config digest": "ci_config_sha",
			"trigger": "pipeline_source", "run invocation URI": "{{.server_url}}/{{.project_path}}/-/jobs/{{.job_id}}",
			"source visibility": "project_visibility", "deployment environment": "environment",
		},
	},
	"buildkite": {
		variable: "server_url",
		subject:  "{{.server_url}}/{{.organization_slug}}/{{.pipeline_slug}}",
		build: map[string]string{
			"runner environment": "runner_environment", "source repository digest": "build_commit", "trigger": "build_source",
			"run invocation URI": "{{.server_url}}/{{.organization_slug}}/{{.pipeline_slug}}/builds/{{.build_number}}#{{.job_id}}",
		},
	},
	"circleci": {
		subject: `https://circleci.com/api/v2/projects/{{index . "oidc.circleci.com/project-id"}}/pipeline-definitions/{{index . "oidc.circleci.com/pipeline-definition-id"}}`,
		build: map[string]string{
			"signer URI":            `https://circleci.com/api/v2/projects/{{index . "oidc.circleci.com/project-id"}}/pipeline-definitions/{{index . "oidc.circleci.com/pipeline-definition-id"}}`,
			"config URI":            `https://circleci.com/api/v2/pipeline/{{index . "oidc.circleci.com/pipeline-id"}}/config`,
			"runner environment":    `{{if eq (index . "oidc.circleci.com/ssh-rerun") "true"}}ssh-rerun{{end}}`,
			"source repository URI": `{{index . "oidc.circleci.com/vcs-origin"}}`, "source repository ref": `{{index . "oidc.circleci.com/vcs-ref"}}`,
			"run invocation URI": `https://app.circleci.com/workflow/{{index . "oidc.circleci.com/workflow-id"}}/job/{{index . "oidc.circleci.com/job-id"}}`,
		},
	},
	"codefresh": {
		variable: "platform_url", optional: []string{"scm_repo_url", "scm_ref", "runner_environment"},
		subject: "{{.platform_url}}/{{.account_name}}/{{.pipeline_name}}:{{.account_id}}/{{.pipeline_id}}",
		build: map[string]string{
			"signer URI": "{{.platform_url}}/build/{{.workflow_id}}", "runner environment": "runner_environment",
			"source repository URI": "scm_repo_url", "source repository ref": "scm_ref",
			"config URI": "{{.platform_url}}/api/pipelines/{{.pipeline_id}}", "run invocation URI": "{{.platform_url}}/build/{{.workflow_id}}",
		},
	},
	"jenkins": {
		optional: []string{"build_number"},
		subject:  "{{.sub}}",
		build:    map[string]string{"signer URI": "sub", "run invocation URI": `{{.sub}}{{if .build_number}}{{.build_number}}/{{end}}`},
	},
}

// FieldOf returns the field that an extension has in Fulcio's configuration, such as
// source-repository-uri.
func FieldOf(extension string) (identity.Field, bool) {
	name, ok := extensions[extension]
	return identity.FieldByName(name), ok
}

// extensions has the names of the fields by those of Fulcio's configuration.
var extensions = map[string]string{
	"github-workflow-trigger":                 "GitHub workflow trigger",
	"github-workflow-sha":                     "GitHub workflow SHA",
	"github-workflow-name":                    "GitHub workflow name",
	"github-workflow-repository":              "GitHub workflow repository",
	"github-workflow-ref":                     "GitHub workflow ref",
	"build-signer-uri":                        "signer URI",
	"build-signer-digest":                     "signer digest",
	"runner-environment":                      "runner environment",
	"source-repository-uri":                   "source repository URI",
	"source-repository-digest":                "source repository digest",
	"source-repository-ref":                   "source repository ref",
	"source-repository-identifier":            "source repository ID",
	"source-repository-owner-uri":             "source repository owner URI",
	"source-repository-owner-identifier":      "source repository owner ID",
	"build-config-uri":                        "config URI",
	"build-config-digest":                     "config digest",
	"build-trigger":                           "trigger",
	"run-invocation-uri":                      "run invocation URI",
	"source-repository-visibility-at-signing": "source visibility",
	"deployment-environment":                  "deployment environment",
}

// IssuerOf returns the issuer of a service's tokens, and "" for a service that each
// customer runs at another URL.
func IssuerOf(service string) string { return issuers[service] }

var issuers = map[string]string{
	"github":    "https://token.actions.githubusercontent.com",
	"gitlab":    "https://gitlab.com",
	"buildkite": "https://agent.buildkite.com",
	"circleci":  "https://oidc.circleci.com",
	"codefresh": "https://oidc.codefresh.io",
}
