// SPDX-License-Identifier: Apache-2.0

package bundle_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/bundle"
)

// within runs f. It checks that f allocates at most four times its input plus a constant,
// including freed memory, and that its time excludes a quadratic algorithm.
func within(t *testing.T, name string, input int, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	f()
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	used := after.TotalAlloc - before.TotalAlloc
	if used > uint64(4*input+1<<20) {
		t.Errorf("%s: %d bytes allocated for %d of input, %.1f times", name, used, input, float64(used)/float64(input))
	}
	if took > time.Minute { // normally at most a second; longer if quadratic
		t.Errorf("%s: took %v", name, took)
	}
	t.Logf("%s: %d KiB in %v: %.1f times", name, input>>10, took.Round(time.Millisecond), float64(used)/float64(input))
}

const tenMB = 10 << 20

// list returns n values as members of a JSON array.
func list(value string, n int) string { return strings.Repeat(value+",", n-1) + value }

// TestLimitsAreLookedAtFirst checks that time and memory are proportional to 10 MB of input
// of any shape, and less for input beyond a limit.
func TestLimitsAreLookedAtFirst(t *testing.T) {
	const entry = `{"logIndex":"1","logId":{"keyId":"AAAA"},"kindVersion":{"kind":"a","version":"b"},"canonicalizedBody":"e30="}`
	payload := strings.Repeat("AAAA", tenMB/4)
	escaped := strings.Repeat(`\u0041`, tenMB/6/4*4)
	withEntries := func(entries string) string {
		return strings.Replace(keyed, `"timestampV`, `"tlogEntries":[`+entries+`],"timestampV`, 1)
	}
	for name, c := range map[string]struct {
		text string
		ok   bool
	}{
		"a payload":                {strings.Replace(attested, "e30=", payload, 1), true},
		"a payload, escaped":       {strings.Replace(attested, "e30=", escaped, 1), true},
		"a payload, half escaped":  {strings.Replace(attested, "e30=", payload[:tenMB/2]+escaped[:len(escaped)/48*24], 1), true},
		"a signature":              {strings.Replace(keyed, "AQID", payload, 1), true},
		"a certificate":            {strings.Replace(attested, "MAA=", payload, 1), false},
		"a timestamp":              {strings.Replace(keyed, "MAA=", payload, 1), true},
		"a hint":                   {strings.Replace(keyed, "release", payload, 1), true},
		"a hint, escaped":          {strings.Replace(keyed, "release", escaped, 1), true},
		"a key ID":                 {strings.Replace(attested, `"keyid":"`, `"keyid":"`+payload, 1), true},
		"a payload type":           {strings.Replace(attested, `"payloadType":"`, `"payloadType":"`+payload, 1), true},
		"spaces":                   {strings.Replace(keyed, ":", ":"+strings.Repeat(" \n", tenMB/2), 1), true},
		"a media type":             {strings.Replace(keyed, "v0.3", payload, 1), false},
		"an algorithm":             {strings.Replace(keyed, "SHA2_256", payload, 1), false},
		"a name":                   {strings.Replace(keyed, `"hint"`, `"`+payload+`"`, 1), false},
		"an unknown member":        {strings.Replace(keyed, "{", `{"x":"`+payload+`",`, 1), false},
		"unknown members":          {strings.Replace(keyed, "{", "{"+list(`"x":1`, tenMB/6)+",", 1), false},
		"other unknown members":    {strings.Replace(keyed, "{", "{"+numbered(tenMB/12)+",", 1), false},
		"a number":                 {withEntries(strings.Replace(entry, `"1"`, strings.Repeat("1", tenMB), 1)), false},
		"a number in a string":     {withEntries(strings.Replace(entry, `"1"`, `"`+strings.Repeat("1", tenMB)+`"`, 1)), false},
		"an exponent":              {withEntries(strings.Replace(entry, `"1"`, "1e"+strings.Repeat("1", tenMB), 1)), false},
		"a hash":                   {withEntries(strings.Replace(entry, `"logId"`, `"inclusionProof":{"rootHash":"`+payload+`"},"logId"`, 1)), false},
		"a log's ID":               {withEntries(strings.Replace(entry, "AAAA", payload, 1)), false},
		"hashes":                   {withEntries(strings.Replace(entry, `"logId"`, `"inclusionProof":{"hashes":[`+list(`""`, tenMB/3)+`]},"logId"`, 1)), false},
		"100,000 log entries":      {withEntries(list(entry, 100_000)), false},
		"empty log entries":        {withEntries(list("{}", tenMB/3)), false},
		"100,000 timestamps":       {strings.Replace(keyed, `[{"signed`, `[`+list(`{"signedTimestamp":"MAA="}`, 100_000)+`,{"signed`, 1), false},
		"empty timestamps":         {strings.Replace(keyed, `[{"signed`, `[`+list("{}", tenMB/3)+`,{"signed`, 1), false},
		"100,000 signatures":       {strings.Replace(attested, `[{"sig"`, `[`+list(`{"sig":"AQID"}`, 100_000)+`,{"sig"`, 1), false},
		"empty signatures":         {strings.Replace(attested, `[{"sig"`, `[`+list("{}", tenMB/3)+`,{"sig"`, 1), false},
		"100,000 certificates":     {strings.Replace(attested, `[{"raw`, `[`+list(`{"rawBytes":"MAA="}`, 100_000)+`,{"raw`, 1), false},
		"arrays":                   {strings.Repeat("[", tenMB), false},
		"objects":                  {strings.Repeat(`{"verificationMaterial":`, tenMB/24), false},
		"nothing but numbers":      {"[" + list("1", tenMB/2) + "]", false},
		"zero bytes":               {strings.Repeat("\x00", tenMB), false},
		"a bundle again and again": {strings.Repeat(keyed, tenMB/len(keyed)), false},
	} {
		raw := []byte(c.text)
		var err error
		within(t, name, len(raw), func() { _, err = bundle.Parse(raw) })
		if c.ok && err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !c.ok && !errors.Is(err, bundle.ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", name, err)
		}
	}
}

// numbered returns n members with distinct names.
func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"%07d":1`, i)
	}
	return b.String()
}

// TestLimitsOfDetached checks the same for the files of cosign 1 and 2.
func TestLimitsOfDetached(t *testing.T) {
	payload := strings.Repeat("AAAA", tenMB/4)
	line := strings.Repeat("A", 64) + "\n"
	for name, spoil := range map[string]func(*bundle.Detached){
		"a raw signature": func(d *bundle.Detached) { d.Signature = make([]byte, tenMB) },
		"a signature":     func(d *bundle.Detached) { d.Signature = []byte(payload) },
		"an envelope": func(d *bundle.Detached) {
			d.Signature = []byte(`{"payload":"` + payload + `","signatures":[{"sig":"AQID"}]}`)
		},
		"signatures": func(d *bundle.Detached) { d.Signature = []byte(`{"signatures":[` + list("{}", tenMB/3) + `]}`) },
		"a certificate": func(d *bundle.Detached) {
			d.Certificate = []byte("-----BEGIN CERTIFICATE-----\n" + strings.Repeat(line, tenMB/65) + "-----END CERTIFICATE-----\n")
		},
		"broken certificate": func(d *bundle.Detached) {
			d.Certificate = []byte("-----BEGIN CERTIFICATE-----\n" + strings.Repeat(line, tenMB/65))
		},
		"begun certificates": func(d *bundle.Detached) {
			d.Certificate = []byte(strings.Repeat("-----BEGIN CERTIFICATE-----\n", tenMB/28))
		},
		"empty certificates": func(d *bundle.Detached) {
			d.Chain = []byte(strings.Repeat("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", tenMB/54))
		},
		"headers": func(d *bundle.Detached) {
			d.Certificate = []byte("-----BEGIN CERTIFICATE-----\n" + strings.Repeat("a: b\n", tenMB/5))
		},
		"entries":  func(d *bundle.Detached) { d.LogEntry = []byte("{" + numbered(tenMB/12) + "}") },
		"an entry": func(d *bundle.Detached) { d.LogEntry = []byte(`{"Payload":{"body":"` + payload + `"}}`) },
		"hashes": func(d *bundle.Detached) {
			d.LogEntry = []byte(`{"a":{"verification":{"inclusionProof":{"hashes":[` + list(`""`, tenMB/3) + `]}}}}`)
		},
		"a timestamp": func(d *bundle.Detached) { d.Timestamp = []byte(`{"SignedRFC3161Timestamp":"` + payload + `"}`) },
	} {
		d := whole()
		spoil(&d)
		within(t, name, tenMB, func() {
			if _, err := bundle.FromDetached(d); err != nil && !errors.Is(err, bundle.ErrMalformed) {
				t.Errorf("%s: got %v, want ErrMalformed", name, err)
			}
		})
	}
}

// BenchmarkParse measures Parse, including its checks of limits.
func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bundle.Parse([]byte(keyed)); err != nil {
			b.Fatal(err)
		}
	}
}
