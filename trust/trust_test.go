// SPDX-License-Identifier: Apache-2.0

package trust_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/trust"
)

// ed25519Log is the JSON of a log with the public key of RFC 8032 §7.1, test 1.
const ed25519Log = `{"baseUrl":"https://log.example.com","hashAlgorithm":"SHA2_256",` +
	`"publicKey":{"rawBytes":"MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=","keyDetails":"PKIX_ED25519",` +
	`"validFor":{"start":"2026-01-01T00:00:00Z","end":"2026-12-31T00:00:00Z"}},` +
	`"logId":{"keyId":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="},"operator":"example.com"}`

const smallRoot = `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","tlogs":[` + ed25519Log + `]}`

const smallConfig = `{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json",` +
	`"caUrls":[{"url":"https://ca.example.com","majorApiVersion":1,"validFor":{"start":"2026-01-01T00:00:00Z"},"operator":"example.com"}],` +
	`"rekorTlogUrls":[{"url":"https://log.example.com","majorApiVersion":2,"validFor":{"start":"2026-01-01T00:00:00Z"},"operator":"example.com"}],` +
	`"rekorTlogConfig":{"selector":"EXACT","count":1}}`

func publicGood(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("../../shared/conformance/public-good", name))
	if err != nil {
		t.Skip("../shared/conformance is not here: the public instance's files are not read")
	}
	return raw
}

func TestPublicGood(t *testing.T) {
	root, err := trust.Parse(publicGood(t, "trusted_root.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(root.Logs) != 2 || len(root.CTLogs) < 1 || len(root.CertificateAuthorities) < 1 || len(root.TimestampAuthorities) < 1 {
		t.Errorf("got %d logs, %d CT logs, %d and %d authorities", len(root.Logs), len(root.CTLogs),
			len(root.CertificateAuthorities), len(root.TimestampAuthorities))
	}
	rootRoundTrip(t, root)
	for _, name := range []string{"signing_config.v0.2.json", "signing_config_rekor_v2.v0.2.json"} {
		config, err := trust.ParseSigningConfig(publicGood(t, name))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(config.CertificateAuthorities) != 1 || config.LogSelector.Mode != "ANY" {
			t.Errorf("%s: got %+v", name, config)
		}
	}
}

func TestConformance(t *testing.T) {
	roots, err := filepath.Glob("../../shared/conformance/bundle-verify/*/trusted_root.json")
	if err != nil || len(roots) == 0 {
		t.Skip("../shared/conformance is not here: the suite's trusted roots are not read")
	}
	for _, path := range roots {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		root, err := trust.Parse(raw)
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(filepath.Dir(path)), err)
			continue
		}
		rootRoundTrip(t, root)
	}
}

func rootRoundTrip(t *testing.T, root *trust.Root) {
	t.Helper()
	raw, err := root.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	again, err := trust.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if len(again.Logs) != len(root.Logs) || len(again.CTLogs) != len(root.CTLogs) {
		t.Fatal("logs were lost")
	}
	for i, a := range root.CertificateAuthorities {
		b := again.CertificateAuthorities[i]
		if a.Validity != b.Validity || a.URI != b.URI || len(a.Chain) != len(b.Chain) || !a.Chain[0].Equal(b.Chain[0]) {
			t.Errorf("authority %d reads as something else", i)
		}
	}
}

func TestRootRefusals(t *testing.T) {
	if _, err := trust.Parse([]byte(smallRoot)); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string][2]string{
		"trailing data":     {`]}`, `]} x`},
		"duplicate key":     {`"tlogs"`, `"tlogs":[],"tlogs"`},
		"unknown field":     {`"tlogs"`, `"extra":1,"tlogs"`},
		"other media type":  {"version=0.1", "version=9.9"},
		"no start":          {`"start":"2026-01-01T00:00:00Z",`, ``},
		"ends before start": {"2026-12-31", "2025-12-31"},
		"ends in year 1":    {"2026-12-31", "0001-01-01"},
		"year 10000":        {"2026-12-31T00:00:00Z", "10000-01-01T00:00:00Z"},
		"short log ID":      {`"AAAA`, `"`},
		"other hash":        {"SHA2_256", "SHA2_512"},
		"key of other type": {"PKIX_ED25519", "PKIX_ECDSA_P256_SHA_256"},
		"key not listed":    {"PKIX_ED25519", "LMS_SHA256"},
		"key not a key":     {"MCowBQYDK2Vw", "MCowBQYDK2V0"},
		"empty chain":       {`"tlogs"`, `"certificateAuthorities":[{"validFor":{"start":"2026-01-01T00:00:00Z"}}],"tlogs"`},
		"chain of no certs": {`"tlogs"`, `"timestampAuthorities":[{"certChain":{"certificates":[{"rawBytes":"MAA="}]}}],"tlogs"`},
	} {
		text := strings.Replace(smallRoot, edit[0], edit[1], 1)
		if text == smallRoot {
			t.Fatalf("%s: the edit changes nothing", name)
		}
		if _, err := trust.Parse([]byte(text)); !errors.Is(err, trust.ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", name, err)
		}
	}
}

func TestSigningConfigRefusals(t *testing.T) {
	config, err := trust.ParseSigningConfig([]byte(smallConfig))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := config.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := trust.ParseSigningConfig(raw); err != nil || again.Logs[0] != config.Logs[0] || again.LogSelector != config.LogSelector {
		t.Errorf("got %+v, %v after a round trip", again, err)
	}
	for name, edit := range map[string][2]string{
		"no selector":     {`,"rekorTlogConfig":{"selector":"EXACT","count":1}`, ``},
		"exact none":      {`"count":1`, `"count":0`},
		"exact too many":  {`"count":1`, `"count":2`},
		"no scheme":       {`"https://ca.example.com"`, `"ca.example.com"`},
		"file scheme":     {`"https://ca.example.com"`, `"file:///etc/passwd"`},
		"password in URL": {`"https://ca.example.com"`, `"https://a:b@ca.example.com"`},
		"query in URL":    {`"https://ca.example.com"`, `"https://ca.example.com?x"`},
		"no start":        {`"validFor":{"start":"2026-01-01T00:00:00Z"},`, ``},
		"v0.1":            {`v0.2`, `v0.1`},
	} {
		text := strings.Replace(smallConfig, edit[0], edit[1], 1)
		if text == smallConfig {
			t.Fatalf("%s: the edit changes nothing", name)
		}
		if _, err := trust.ParseSigningConfig([]byte(text)); !errors.Is(err, trust.ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", name, err)
		}
	}
}

// TestValidity checks that a window includes both ends and that the zero window contains
// nothing.
func TestValidity(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	end := start.Add(time.Hour)
	closed, open := trust.Validity{Start: start, End: end}, trust.Validity{Start: start}
	for name, c := range map[string]struct{ got, want bool }{
		"start":        {closed.Contains(start), true},
		"end":          {closed.Contains(end), true},
		"before":       {closed.Contains(start.Add(-1)), false},
		"after":        {closed.Contains(end.Add(1)), false},
		"open, later":  {open.Contains(end.AddDate(100, 0, 0)), true},
		"open, before": {open.Contains(start.Add(-1)), false},
		"zero window":  {trust.Validity{}.Contains(start), false},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %v, want %v", name, c.got, c.want)
		}
	}
}

func TestUsable(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	services := []trust.Service{
		{URL: "v1", APIVersion: 1, Validity: trust.Validity{Start: start}},
		{URL: "v2", APIVersion: 2, Validity: trust.Validity{Start: start}},
		{URL: "ended", APIVersion: 2, Validity: trust.Validity{Start: start.AddDate(-1, 0, 0), End: start}},
	}
	if got := trust.Usable(services, start.Add(1), 2); len(got) != 1 || got[0].URL != "v2" {
		t.Errorf("got %+v", got)
	}
	if got := trust.Usable(services, start.Add(-1), 1, 2); len(got) != 1 || got[0].URL != "ended" {
		t.Errorf("got %+v", got)
	}
}

func TestSelect(t *testing.T) {
	services := []trust.Service{{URL: "a1", Operator: "a"}, {URL: "a2", Operator: "a"}, {URL: "b", Operator: "b"}, {URL: "c"}, {URL: "d"}}
	for name, c := range map[string]struct {
		selector trust.Selector
		from     []trust.Service
		want     string
	}{
		"any":                   {trust.Selector{Mode: "ANY"}, services, "a1"},
		"all, once an operator": {trust.Selector{Mode: "ALL"}, services, "a1 b c d"},
		"exact":                 {trust.Selector{Mode: "EXACT", Count: 2}, services, "a1 b"},
		"exact, too few":        {trust.Selector{Mode: "EXACT", Count: 2}, services[:2], "error"},
		"any of none":           {trust.Selector{Mode: "ANY"}, nil, "error"},
		"all of none":           {trust.Selector{Mode: "ALL"}, nil, "error"},
		"no selector":           {trust.Selector{}, nil, ""},
	} {
		chosen, err := c.selector.Select(c.from)
		var urls []string
		for _, s := range chosen {
			urls = append(urls, s.URL)
		}
		got := strings.Join(urls, " ")
		if err != nil {
			got = "error"
		}
		if got != c.want {
			t.Errorf("%s: got %q (%v), want %q", name, got, err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(smallRoot))
	f.Fuzz(func(t *testing.T, raw []byte) {
		root, err := trust.Parse(raw)
		if err == nil {
			rootRoundTrip(t, root)
		}
	})
}

func FuzzParseSigningConfig(f *testing.F) {
	f.Add([]byte(smallConfig))
	f.Fuzz(func(t *testing.T, raw []byte) {
		config, err := trust.ParseSigningConfig(raw)
		if err != nil {
			return
		}
		again, err := config.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := trust.ParseSigningConfig(again); err != nil {
			t.Fatalf("reading what was written: %v", err)
		}
	})
}
