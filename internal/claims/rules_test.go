// SPDX-License-Identifier: Apache-2.0

package claims

import (
	"testing"

	"github.com/hallmark-sign/hallmark/identity"
)

func rule(pairs ...string) Rule {
	r := Rule{}
	for i := 0; i < len(pairs); i += 2 {
		r[pairs[i]] = append(r[pairs[i]], identity.Glob(pairs[i+1]))
	}
	return r
}

func TestRules(t *testing.T) {
	set, err := Parse([]byte(`{"repository":"octo-org/app","repository_owner":"octo-org","ref":"refs/heads/main","email":"Alice@Example.com","groups":["dev","release"],"n":7,"flag":true,"none":null,"object":{"x":"y"}}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		rules Rules
		want  bool
	}{
		{"one tenant, no rules", Rules{}, true},
		{"many tenants, no rules", Rules{Tenants: true}, false},
		{"many tenants, deny rule alone", Rules{Tenants: true, Deny: []Rule{rule("ref", "refs/tags/*")}}, false},
		{"many tenants, all allowed", Rules{Tenants: true, AllowAllUnsafe: true}, true},
		{"many tenants, allowed", Rules{Tenants: true, Allow: []Rule{rule("repository_owner", "octo-org")}}, true},
		{"all allowed does not weaken rules", Rules{AllowAllUnsafe: true, Allow: []Rule{rule("repository_owner", "other")}}, false},
		{"second rule", Rules{Allow: []Rule{rule("repository", "x"), rule("repository", "octo-org/*")}}, true},
		{"all claims of a rule", Rules{Allow: []Rule{rule("repository", "octo-org/*", "ref", "refs/tags/*")}}, false},
		{"one of several patterns", Rules{Allow: []Rule{rule("ref", "refs/tags/*", "ref", "refs/heads/main")}}, true},
		{"a pattern is for the whole claim", Rules{Allow: []Rule{rule("repository", "octo-org")}}, false},
		{"a star stays in its part", Rules{Allow: []Rule{rule("ref", "refs/*")}}, false},
		{"an item of a list", Rules{Allow: []Rule{rule("groups", "release")}}, true},
		{"no item of a list", Rules{Allow: []Rule{rule("groups", "admin")}}, false},
		{"a number", Rules{Allow: []Rule{rule("n", "7")}}, true},
		{"a boolean", Rules{Allow: []Rule{rule("flag", "true")}}, true},
		{"null", Rules{Allow: []Rule{rule("none", "**")}}, false},
		{"an object", Rules{Allow: []Rule{rule("object", "**")}}, false},
		{"a missing claim", Rules{Allow: []Rule{rule("absent", "**")}}, false},
		{"an empty rule", Rules{Allow: []Rule{{}}}, false},
		{"an empty deny rule", Rules{Deny: []Rule{{}}}, true},
		{"deny goes first", Rules{Allow: []Rule{rule("repository", "**")}, Deny: []Rule{rule("ref", "refs/heads/*")}}, false},
		{"allow minds letter case", Rules{Allow: []Rule{rule("email", "alice@example.com")}}, false},
		{"deny ignores letter case", Rules{Deny: []Rule{rule("email", "alice@example.com")}}, false},
	} {
		if err := c.rules.Check(set); (err == nil) != c.want {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}

// TestUnverifiedEmail checks that an address that is not verified matches no allow rule, and
// still matches a deny rule.
func TestUnverifiedEmail(t *testing.T) {
	byEmail := []Rule{rule("email", "*@example.com")}
	for text, c := range map[string]struct{ allowed, allowedString bool }{
		`{"sub":"m","email":"m@example.com"}`:                                 {},
		`{"sub":"m","email":"m@example.com","email_verified":false}`:          {},
		`{"sub":"m","email":"m@example.com","email_verified":null}`:           {},
		`{"sub":"m","email":"m@example.com","email_verified":"true"}`:         {false, true},
		`{"sub":"m","email":"m@example.com","email_verified":true}`:           {true, true},
		`{"sub":"m","email":["m@example.com"],"email_verified":true}`:         {},
		`{"sub":"m","email":"m@evil.test@example.com","email_verified":true}`: {},
	} {
		set, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := (Rules{Allow: byEmail}).Check(set); (err == nil) != c.allowed {
			t.Errorf("%s: got %v", text, err)
		}
		if err := (Rules{Allow: byEmail, EmailVerifiedString: true}).Check(set); (err == nil) != c.allowedString {
			t.Errorf("%s, with the string: got %v", text, err)
		}
		if err := (Rules{Deny: []Rule{rule("email", "**@example.com")}}).Check(set); err == nil {
			t.Errorf("%s: not denied", text)
		}
	}
}
