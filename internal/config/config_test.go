// SPDX-License-Identifier: Apache-2.0

package config

import (
	"path/filepath"
	"strings"
	"testing"
)

const good = `url: https://sign.example.com
listen: 0.0.0.0:443
tls:
  certificate: tls/cert.pem
  key: /etc/tls/key.pem
login: {}
issuers:
  - url: https://token.actions.githubusercontent.com
    type: uri
    subject_domain: https://github.com
`

func TestParse(t *testing.T) {
	c, err := parseConfig([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if c.Issuers[0].Audience != DefaultAudience {
		t.Errorf("audience %q", c.Issuers[0].Audience)
	}
	c.Dir = "/srv/hallmark"
	if got := c.Path("trust", "x"); got != filepath.Join("/srv/hallmark", "trust", "x") {
		t.Errorf("got %s", got)
	}
	if got := c.Path(c.TLS.Key); got != "/etc/tls/key.pem" {
		t.Errorf("got %s", got)
	}
	again, err := c.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseConfig(again); err != nil {
		t.Errorf("reading what was written: %v\n%s", err, again)
	}
}

// TestRefusals checks that each refusal names the invalid key.
func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"unknown key":           {"login: {}", "login: {}\nlogins: {}", "logins"},
		"unknown nested key":    {"login: {}", "login: {enable: true}", "enable"},
		"doubled key":           {"login: {}", "login: {}\nlogin: {}", "already defined"},
		"second document":       {"login: {}", "login: {}\n---\nlogin: {}", "more than one"},
		"not YAML":              {good, "}{", "yaml"},
		"empty":                 {good, "", "EOF"},
		"URL with path":         {"https://sign.example.com", "https://sign.example.com/x", "url:"},
		"URL with slash":        {"https://sign.example.com", "https://sign.example.com/", "url:"},
		"URL with user":         {"https://sign.example.com", "https://a:b@sign.example.com", "url:"},
		"URL without scheme":    {"https://sign.example.com", "sign.example.com", "url:"},
		"listen without port":   {"0.0.0.0:443", "0.0.0.0", "listen:"},
		"half of TLS":           {"  key: /etc/tls/key.pem\n", "", "tls:"},
		"plain HTTP beyond":     {"tls:\n  certificate: tls/cert.pem\n  key: /etc/tls/key.pem\n", "", "plain_http_unsafe"},
		"plain HTTP URL":        {"https://sign.example.com", "http://sign.example.com", "plain_http_unsafe"},
		"issuer by plain HTTP":  {"https://token.actions", "http://token.actions", "issuer 1"},
		"issuer with query":     {"githubusercontent.com\n", "githubusercontent.com?a=b\n", "issuer 1"},
		"issuer of no type":     {"type: uri", "type: ''", "issuer 1"},
		"rule without claims":   {"type: uri", "type: uri\n    allow: [{}]", "without claims"},
		"rule without patterns": {"type: uri", "type: uri\n    deny: [{ref: []}]", "no pattern"},
		"rule with nothing":     {"type: uri", "type: uri\n    allow: [{ref: ''}]", "empty pattern"},
		"rule with an object":   {"type: uri", "type: uri\n    allow: [{ref: {a: b}}]", "line 10"},
		"undescribed service":   {"type: uri", "type: service", "description"},
		"service of no type":    {"type: uri", "type: uri\n    service: {origin: 'https://ci.example.com', subject: sub}", "description"},
		"evidence by a number":  {"login: {}", "login: {}\nevidence: 1", "Evidence"},
		"negative evidence":     {"login: {}", "login: {}\nevidence: {enabled: true, max_bytes: -1}", "max_bytes"},
	} {
		text := strings.Replace(good, c.old, c.new, 1)
		if text == good {
			t.Fatalf("%s: the edit changes nothing", name)
		}
		if _, err := parseConfig([]byte(text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want something about %q", name, err, c.want)
		}
	}
}

// TestEvidence checks that the evidence store is disabled by default, and limited if enabled.
func TestEvidence(t *testing.T) {
	for text, want := range map[string]Evidence{
		good:                                 {},
		good + "evidence: {enabled: true}\n": {Enabled: true, MaxBytes: defaultEvidence},
		good + "evidence: {enabled: true, max_bytes: 5000}\n":  {Enabled: true, MaxBytes: 5000},
		good + "evidence: {enabled: false, max_bytes: 5000}\n": {MaxBytes: 5000},
	} {
		c, err := parseConfig([]byte(text))
		if err != nil || c.Evidence != want {
			t.Errorf("%s: %+v, %v", text, c.Evidence, err)
		}
	}
	c, err := parseConfig([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := c.Marshal(); err != nil || strings.Contains(string(text), "evidence") {
		t.Errorf("%s, %v", text, err)
	}
}

// TestPlainHTTP checks that plain HTTP is only allowed on loopback, unless the configuration
// allows it.
func TestPlainHTTP(t *testing.T) {
	for name, c := range map[string]struct {
		url, listen string
		unsafe, ok  bool
	}{
		"loopback":                {"http://127.0.0.1:7500", "127.0.0.1:7500", false, true},
		"loopback, IPv6":          {"http://[::1]:7500", "[::1]:7500", false, true},
		"localhost":               {"http://localhost:7500", "127.0.0.1:7500", false, true},
		"all addresses":           {"http://127.0.0.1:7500", "0.0.0.0:7500", false, false},
		"no address is all":       {"http://127.0.0.1:7500", ":7500", false, false},
		"looks like loopback":     {"http://127.0.0.1.example.com", "127.0.0.1:7500", false, false},
		"localhost as subdomain":  {"http://localhost.example.com", "127.0.0.1:7500", false, false},
		"proxy on this machine":   {"https://sign.example.com", "127.0.0.1:7500", false, true},
		"proxy elsewhere":         {"https://sign.example.com", "10.0.0.1:7500", false, false},
		"proxy elsewhere, unsafe": {"https://sign.example.com", "10.0.0.1:7500", true, true},
	} {
		err := (&Config{URL: c.url, Listen: c.listen, PlainHTTPUnsafe: c.unsafe}).Check()
		if (err == nil) != c.ok {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestNames(t *testing.T) {
	c := Config{URL: "http://127.0.0.1:7500"}
	if Hostname(c.URL) != "127.0.0.1" || c.Host() != "127.0.0.1:7500" {
		t.Errorf("got %s and %s", Hostname(c.URL), c.Host())
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := parseConfig(raw)
		if err != nil {
			return
		}
		again, err := c.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseConfig(again); err != nil {
			t.Fatalf("reading what was written: %v", err)
		}
	})
}
