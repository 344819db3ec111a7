// SPDX-License-Identifier: Apache-2.0

package claims

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/hallmark-sign/hallmark/identity"
)

// tokens returns the payloads of testdata/tokens.json by service, which follow the services'
// documentation.
func tokens(t testing.TB) map[string]Set {
	t.Helper()
	raw, err := os.ReadFile("testdata/tokens.json")
	if err != nil {
		t.Fatal(err)
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(raw, &parts); err != nil {
		t.Fatal(err)
	}
	sets := map[string]Set{}
	for name, part := range parts {
		if sets[name], err = Parse(part); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return sets
}

// TestServices checks each extension of each service, by the table "Mapping OIDC token
// claims to Fulcio OIDs" of oid-info.md.
func TestServices(t *testing.T) {
	sets := tokens(t)
	for service, want := range map[string]identity.Identity{
		"github": {
			Subject: identity.Subject{Type: identity.URI, Value: "https://github.com/octo-org/octo-automation/.github/workflows/oidc.yml@refs/heads/main"},
			Build: identity.Build{
				GitHubWorkflowTrigger: "push", GitHubWorkflowSHA: "0123456789abcdef0123456789abcdef01234567", GitHubWorkflowName: "release",
				GitHubWorkflowRepository: "octo-org/octo-repo", GitHubWorkflowRef: "refs/tags/v1",
				SignerURI:           "https://github.com/octo-org/octo-automation/.github/workflows/oidc.yml@refs/heads/main",
				SignerDigest:        "89abcdef0123456789abcdef0123456789abcdef",
				RunnerEnvironment:   "github-hosted",
				SourceRepositoryURI: "https://github.com/octo-org/octo-repo", SourceRepositoryDigest: "0123456789abcdef0123456789abcdef01234567",
				SourceRepositoryRef: "refs/tags/v1", SourceRepositoryID: "74", SourceRepositoryOwnerURI: "https://github.com/octo-org",
				SourceRepositoryOwnerID: "65",
				ConfigURI:               "https://github.com/octo-org/octo-repo/.github/workflows/release.yml@refs/tags/v1",
				ConfigDigest:            "0123456789abcdef0123456789abcdef01234567", Trigger: "push",
				RunInvocationURI: "https://github.com/octo-org/octo-repo/actions/runs/1536140711/attempts/2",
				SourceVisibility: "private", DeploymentEnvironment: "prod",
			},
		},
		"gitlab": {
			Subject: identity.Subject{Type: identity.URI, Value: "https://gitlab.com/my-group/my-project//.gitlab-ci.yml@refs/heads/main"},
			Build: identity.Build{
				SignerURI: "https://gitlab.com/my-group/my-project//.gitlab-ci.yml@refs/heads/main", SignerDigest: "714a629c0b401fdce83e847fc9589983fc6f46bc",
				RunnerEnvironment:   "gitlab-hosted",
				SourceRepositoryURI: "https://gitlab.com/my-group/my-project", SourceRepositoryDigest: "714a629c0b401fdce83e847fc9589983fc6f46bc",
				SourceRepositoryRef: "refs/heads/main", SourceRepositoryID: "20", SourceRepositoryOwnerURI: "https://gitlab.com/my-group",
				SourceRepositoryOwnerID: "72",
				ConfigURI:               "https://gitlab.com/my-group/my-project//.gitlab-ci.yml@refs/heads/main", ConfigDigest: "714a629c0b401fdce83e847fc9589983fc6f46bc",
				Trigger: "push", RunInvocationURI: "https://gitlab.com/my-group/my-project/-/jobs/302", SourceVisibility: "public",
			},
		},
		"buildkite": {
			Subject: identity.Subject{Type: identity.URI, Value: "https://buildkite.com/acme-inc/super-duper-app"},
			Build: identity.Build{
				RunnerEnvironment: "self-hosted", SourceRepositoryDigest: "9f3182061f1e2cca4702c368cbc039b7dc9d4485", Trigger: "webhook",
				RunInvocationURI: "https://buildkite.com/acme-inc/super-duper-app/builds/1#0184990a-477b-4fa8-9968-496074483cee",
			},
		},
		"circleci": {
			Subject: identity.Subject{Type: identity.URI, Value: "https://circleci.com/api/v2/projects/P/pipeline-definitions/D"},
			Build: identity.Build{
				SignerURI: "https://circleci.com/api/v2/projects/P/pipeline-definitions/D",
				ConfigURI: "https://circleci.com/api/v2/pipeline/L/config", SourceRepositoryURI: "github.com/octo-org/octo-repo",
				SourceRepositoryRef: "refs/heads/main", RunInvocationURI: "https://app.circleci.com/workflow/W/job/J",
			},
		},
		"codefresh": {
			Subject: identity.Subject{Type: identity.URI, Value: "https://g.codefresh.io/acme/oidc-test/get-token:5f30ebceea4b/64f447c02199f9"},
			Build: identity.Build{
				SignerURI: "https://g.codefresh.io/build/64f447c02199f903", RunnerEnvironment: "hosted",
				SourceRepositoryURI: "https://github.com/acme/oidc-test", SourceRepositoryRef: "main",
				ConfigURI:        "https://g.codefresh.io/api/pipelines/64f447c02199f9",
				RunInvocationURI: "https://g.codefresh.io/build/64f447c02199f903",
			},
		},
		"jenkins": {
			Subject: identity.Subject{Type: identity.URI, Value: "https://jenkins.example.com/job/release/"},
			Build: identity.Build{
				SignerURI: "https://jenkins.example.com/job/release/", RunInvocationURI: "https://jenkins.example.com/job/release/42/",
			},
		},
	} {
		t.Run(service, func(t *testing.T) {
			issuer, _ := sets[service].Text("iss")
			s, ok := NewService(service, issuer)
			if !ok {
				t.Fatal("not built in")
			}
			if err := s.Check(); err != nil {
				t.Fatal(err)
			}
			subject, build, err := s.Identity(sets[service])
			if err != nil {
				t.Fatal(err)
			}
			if subject != want.Subject || build != want.Build {
				t.Errorf("got  %+v\nwant %+v", identity.Identity{Subject: subject, Build: build}, want)
			}
		})
	}
	if len(sets) != len(ServiceNames()) {
		t.Errorf("%d tokens for %d services", len(sets), len(ServiceNames()))
	}
}

// TestServiceHosts checks that a service at another host makes URIs there, and that a
// token cannot move them.
func TestServiceHosts(t *testing.T) {
	set := tokens(t)["github"]
	s, _ := NewService("github", "https://github.corp.example/_services/token")
	subject, _, err := s.Identity(set)
	if want := "https://github.corp.example/octo-org/octo-automation/.github/workflows/oidc.yml@refs/heads/main"; err != nil || subject.Value != want {
		t.Errorf("got %q, %v, want %s", subject.Value, err, want)
	}
	for claim, value := range map[string]string{
		"server_url":        "https://evil.example",
		"ci_config_ref_uri": "evil.example/x//.gitlab-ci.yml@refs/heads/main",
	} {
		for _, service := range []string{"github", "gitlab"} {
			set := tokens(t)[service]
			if _, used := set[claim]; !used && claim != "server_url" || service == "gitlab" && claim == "server_url" {
				continue
			}
			set[claim], _ = json.Marshal(value)
			issuer, _ := set.Text("iss")
			s, _ := NewService(service, issuer)
			if subject, _, err := s.Identity(set); err == nil {
				t.Errorf("%s with %s %s makes %s", service, claim, value, subject.Value)
			}
		}
	}
	for _, value := range []string{"gitlab.com.evil.example/x", "gitlab.com@evil.example/x", "gitlab.com:8443/x", `gitlab.com\@evil.example/x`, "GITLAB.com/x", "", "/x", "?x"} {
		set := tokens(t)["gitlab"]
		set["ci_config_ref_uri"], _ = json.Marshal(value)
		s, _ := NewService("gitlab", "https://gitlab.com")
		if subject, _, err := s.Identity(set); err == nil {
			t.Errorf("ci_config_ref_uri %q makes %s", value, subject.Value)
		}
	}
}
