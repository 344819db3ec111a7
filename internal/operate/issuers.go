// SPDX-License-Identifier: Apache-2.0

package operate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/hallmark-sign/hallmark/internal/claims"
	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/control"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/instance"
	"github.com/hallmark-sign/hallmark/internal/oidc"
)

// Issuers edits the OpenID issuers of an instance, and has a running server take them.
type Issuers struct {
	Config string // directory or configuration file of the instance
}

// NewIssuer describes an issuer that is added.
type NewIssuer struct {
	Type, URL, Audience        string
	SubjectDomain, TrustDomain string
	Allow, Deny                []string // rules: CLAIM=PATTERN, several with commas
	AllowAllUnsafe             bool
}

// IssuerTypes returns the types of issuers that are added by a command.
func IssuerTypes() []string {
	return append([]string{"email", "uri", "username", "spiffe", "kubernetes"}, claims.ServiceNames()...)
}

// errTenants asks for a rule.
var errTenants = errors.New("anyone can get tokens of this issuer: say whose get certificates with --allow CLAIM=PATTERN, for example --allow repository_owner=YOUR-ORGANIZATION")

// Add adds an issuer.
func (f Issuers) Add(ctx context.Context, env cli.Environment, n NewIssuer) error {
	issuer, err := n.issuer()
	if err != nil {
		return &fault.Problem{Exit: fault.ExitUsage, Subject: n.Type, Code: "usage", Err: err}
	}
	return f.edit(ctx, env, issuer.URL, "added", func(raw []byte) ([]byte, error) { return config.AddIssuer(raw, issuer) })
}

// issuer returns the issuer as the configuration has it, after checking it as the
// server will.
func (n NewIssuer) issuer() (config.Issuer, error) {
	i := config.Issuer{
		Type: n.Type, URL: n.URL, Audience: cmp.Or(n.Audience, config.DefaultAudience), SubjectDomain: n.SubjectDomain, TrustDomain: n.TrustDomain, AllowAllUnsafe: n.AllowAllUnsafe,
	}
	if i.URL == "" {
		i.URL = claims.IssuerOf(n.Type)
	}
	if err := n.check(i.URL); err != nil {
		return i, err
	}
	var err error
	if i.Allow, err = parseRules(n.Allow); err != nil {
		return i, err
	}
	if i.Deny, err = parseRules(n.Deny); err != nil {
		return i, err
	}
	checked, err := instance.Issuers(&config.Config{Issuers: []config.Issuer{i}})
	if err != nil {
		return i, err
	}
	if _, err = oidc.New(oidc.Options{Issuers: checked}); err != nil {
		return i, err
	}
	if r := checked[0].Rules; r.Tenants && len(r.Allow) == 0 && !r.AllowAllUnsafe {
		return i, errTenants
	}
	return i, nil
}

// check reports which flag the type needs.
func (n NewIssuer) check(url string) error {
	switch {
	case n.Type == "service":
		return errors.New("an issuer with templates is written into hallmark.yaml itself: see docs/reference/configuration.md")
	case !slices.Contains(IssuerTypes(), n.Type):
		return fmt.Errorf("type %q is none of %s", n.Type, strings.Join(IssuerTypes(), ", "))
	case url == "":
		return errors.New("which issuer? give --url URL")
	case (n.Type == "uri" || n.Type == "username") && n.SubjectDomain == "":
		return errors.New("whose subjects? give --subject-domain, https://HOST of uri, HOST of username")
	case n.Type == "spiffe" && n.TrustDomain == "":
		return errors.New("whose workloads? give --trust-domain DOMAIN")
	}
	return nil
}

// parseRules parses rules such as repository_owner=octo-org,ref=refs/heads/*.
func parseRules(texts []string) (rules []config.Rule, err error) {
	for _, text := range texts {
		rule := config.Rule{}
		for part := range strings.SplitSeq(text, ",") {
			claim, pattern, ok := strings.Cut(part, "=")
			if !ok || claim == "" || pattern == "" {
				return nil, fmt.Errorf("%q is not CLAIM=PATTERN", part)
			}
			if rule[claim] != nil { // both could not be meant to match, nor either
				return nil, fmt.Errorf("claim %s occurs twice in rule %q: give a rule for each pattern", claim, text)
			}
			if claim == "email" && !strings.Contains(pattern, "@") && !strings.Contains(pattern, "**") {
				return nil, fmt.Errorf("%s matches no address, as a star does not stand for @: use *@example.com", part)
			}
			rule[claim] = config.Patterns{pattern}
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

// Remove removes an issuer, by its URL, or by its type if no other has it.
func (f Issuers) Remove(ctx context.Context, env cli.Environment, name string) error {
	c, err := f.load()
	if err != nil {
		return err
	}
	issuer, err := find(c, name)
	if err != nil {
		return err
	}
	url := issuer.URL
	return f.edit(ctx, env, url, "removed", func(raw []byte) ([]byte, error) { return config.RemoveIssuer(raw, url) })
}

// edit changes the configuration, and has the server read it. Of several edits at once, one
// goes after the other, so that none undoes another.
func (f Issuers) edit(ctx context.Context, env cli.Environment, url, done string, change func([]byte) ([]byte, error)) error {
	c, err := f.load()
	if err != nil {
		return err
	}
	running := "the running server takes it now"
	err = durable.Alone(c.Source, func() error {
		err := f.rewrite(ctx, c, url, change)
		if errors.Is(err, control.ErrNotRunning) {
			running, err = "the next start of the server takes it", nil
		}
		return err
	})
	if problem := new(fault.Problem); err != nil && !errors.As(err, &problem) {
		return f.problem(err)
	}
	if err != nil {
		return err
	}
	env.Say("%s: %s; %s", url, done, running)
	if env.JSON {
		return env.PrintJSON(map[string]string{"issuer": url, "done": done})
	}
	return nil
}

// rewrite changes the file and has the server read it. If the server refuses it, the file
// gets back what it had, and the server reads that, in case it had taken the change and its
// answer was lost. The error matches [control.ErrNotRunning] if only the file was changed.
func (f Issuers) rewrite(ctx context.Context, c *config.Config, url string, change func([]byte) ([]byte, error)) error {
	raw, err := os.ReadFile(c.Source)
	if err != nil {
		return err
	}
	after, err := change(raw)
	if err != nil {
		return &fault.Problem{Exit: fault.ExitUsage, Subject: url, Code: "configuration", Err: err}
	}
	if err := durable.Rewrite(c.Source, after); err != nil {
		return err
	}
	err = control.Call(ctx, c.Dir, control.Reload)
	if err == nil || errors.Is(err, control.ErrNotRunning) {
		return err
	}
	if undone := durable.Rewrite(c.Source, raw); undone != nil {
		return errors.Join(fmt.Errorf("the server refuses the change: %w", err), undone)
	}
	control.Call(context.WithoutCancel(ctx), c.Dir, control.Reload) // fails as before, or makes good
	return fmt.Errorf("the server refuses the change, which was undone: %w", err)
}

func (f Issuers) load() (*config.Config, error) {
	c, err := config.Load(config.Find(f.Config))
	if err != nil {
		return nil, f.problem(err)
	}
	return c, nil
}

func (f Issuers) problem(err error) error {
	return &fault.Problem{Exit: fault.ExitUsage, Subject: f.Config, Code: "configuration", Err: err}
}

// List prints the issuers, a line each.
func (f Issuers) List(env cli.Environment) error {
	c, err := f.load()
	if err != nil {
		return err
	}
	if !c.Login.Disabled {
		env.Say("%s is the instance's own login, whose tokens are accepted too", c.URL)
	}
	for _, i := range c.Issuers {
		if env.JSON {
			err = env.PrintJSON(issuerJSON(i))
		} else {
			_, err = fmt.Fprintf(env.Stdout, "%s  %s  %s, %s\n", i.URL, i.Type, cli.Counted(len(i.Allow), "allow rule", "allow rules"), cli.Counted(len(i.Deny), "deny rule", "deny rules"))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// issuerJSON returns an issuer for machines.
func issuerJSON(i config.Issuer) any {
	type rule = map[string][]string
	rules := func(all []config.Rule) []rule {
		out := []rule{}
		for _, r := range all {
			one := rule{}
			for claim, patterns := range r {
				one[claim] = patterns
			}
			out = append(out, one)
		}
		return out
	}
	return map[string]any{"url": i.URL, "type": i.Type, "audience": i.Audience, "allow": rules(i.Allow), "deny": rules(i.Deny), "allowAllUnsafe": i.AllowAllUnsafe}
}

// URLs returns the issuers, and none if they can't be read.
func (f Issuers) URLs() (urls []string) {
	c, err := f.load()
	if err != nil {
		return nil
	}
	for _, i := range c.Issuers {
		urls = append(urls, i.URL)
	}
	return urls
}

// find returns the issuer with this URL, or the only one of this type.
func find(c *config.Config, name string) (found config.Issuer, err error) {
	var known []string
	matching := 0
	for _, i := range c.Issuers {
		if i.URL == name {
			return i, nil
		}
		if i.Type == name {
			found = i
			matching++
		}
		known = append(known, i.URL)
	}
	switch {
	case matching == 1:
		return found, nil
	case matching > 1:
		err = fmt.Errorf("%d issuers are of this type: name one by its URL", matching)
	case len(known) == 0:
		err = fmt.Errorf("%w: there is none", config.ErrIssuerUnknown)
	default:
		err = fmt.Errorf("%w: known are %s", config.ErrIssuerUnknown, strings.Join(known, ", "))
	}
	return found, &fault.Problem{Exit: fault.ExitUsage, Subject: name, Code: "configuration", Err: err}
}

// Show prints the settings of an issuer, which is named as in [Issuers.Remove].
func (f Issuers) Show(env cli.Environment, name string) error {
	c, err := f.load()
	if err != nil {
		return err
	}
	issuer, err := find(c, name)
	if err != nil {
		return err
	}
	if env.JSON {
		return env.PrintJSON(issuerJSON(issuer))
	}
	encoder := yaml.NewEncoder(env.Stdout)
	encoder.SetIndent(2)
	return errors.Join(encoder.Encode(issuer), encoder.Close())
}

// TryToken prints the certificate that the token in a file would get, or fails with the reason why it
// would get none. It sends the token nowhere.
func (f Issuers) TryToken(ctx context.Context, env cli.Environment, file string) error {
	c, err := f.load()
	if err != nil {
		return err
	}
	token, err := cli.ReadSecret(file)
	if err != nil {
		return err
	}
	issuers, err := instance.Issuers(c)
	if err != nil {
		return f.problem(err)
	}
	if !c.Login.Disabled { // whose keys a running server publishes
		issuers = append(issuers, oidc.Issuer{URL: c.URL, Audience: config.DefaultAudience, Type: "email"})
	}
	checker, err := oidc.New(oidc.Options{Issuers: issuers})
	if err != nil {
		return f.problem(err)
	}
	explanation, err := checker.Explain(ctx, string(token))
	if err != nil {
		return tokenProblem(err)
	}
	return env.PrintExplanation(explanation)
}

func tokenProblem(err error) error {
	p := &fault.Problem{Exit: fault.ExitRefused, Subject: "ID token", Code: "token-refused", Err: err}
	var unavailable interface{ Unavailable() bool }
	if errors.As(err, &unavailable) {
		p.Exit, p.Code = fault.ExitUndecided, "service-unavailable"
	}
	var claimed interface {
		Claimed() (account, issuer string)
	}
	if errors.As(err, &claimed) {
		_, issuer := claimed.Claimed()
		p.Found = "a token of " + issuer
	}
	return p
}
