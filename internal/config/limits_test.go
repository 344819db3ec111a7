// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strings"
	"testing"
	"time"
)

func TestLimits(t *testing.T) {
	const base = "url: http://127.0.0.1:7500\nlisten: 127.0.0.1:7500\n"
	for text, want := range map[string]string{
		"": "",
		"limits: {certificates: {burst: 5, per_minute: 6}, requests: 64, connections: 256}\n": "",
		"trusted_proxies: [127.0.0.1, 10.1.2.3/8, '2001:db8::/32', '::1']\n":                  "",
		"limits: {certificates: {burst: 5}}\n":                                                "certificates: burst and per_minute are both needed",
		"limits: {entries: {burst: -1, per_minute: 5}}\n":                                     "entries: burst",
		"limits: {upload_mib: -1}\n":                                                          "negative",
		"limits: {connections: 1000}\n":                                                       "connections must be at least",
		"limits: {per_second: 5}\n":                                                           "not found",
		"trusted_proxies: [proxy.example.com]\n":                                              "neither an address nor a network",
		"trusted_proxies: [10.0.0.0/33]\n":                                                    "neither an address nor a network",
	} {
		c, err := parseConfig([]byte(base + text))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", text, err, want)
			continue
		}
		if want == "" {
			if raw, err := c.Marshal(); err != nil || text == "" && strings.Contains(string(raw), "limits") {
				t.Errorf("%q becomes %s, %v", text, raw, err)
			}
		}
	}
	l := Limits{Certificates: Rate{Burst: 5, PerMinute: 6}}.Effective()
	if l.Certificates.Pause() != 10*time.Second || l.Certificates.Burst != 5 || l.Evidence.Burst == 0 || l.Connections == 0 {
		t.Errorf("%+v", l)
	}
}
