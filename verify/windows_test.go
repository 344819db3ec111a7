// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"crypto"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/sct"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

// rooted returns a verifier for a changed copy of the instance's trusted root.
func (in *instance) rooted(t testing.TB, change func(*trust.Root)) *verify.Verifier {
	t.Helper()
	root := trust.Root{
		Logs: append([]trust.Log{}, in.root.Logs...), CTLogs: append([]trust.Log{}, in.root.CTLogs...),
		CertificateAuthorities: append([]trust.Authority{}, in.root.CertificateAuthorities...),
		TimestampAuthorities:   append([]trust.Authority{}, in.root.TimestampAuthorities...),
	}
	change(&root)
	return testkit.Must(verify.New(&root))(t)
}

// TestWindowsIncludeBothEnds checks that validity windows of the trusted root include both
// ends, and not a second more.
func TestWindowsIncludeBothEnds(t *testing.T) {
	in := newInstance(t, "example.com")
	v2, v1 := in.sign(t, artifact, order{}), in.sign(t, artifact, order{logs: []*logServer{}, tsas: []*stamper{}})
	v1.Entries = []rekor.Entry{in.logs[0].entryV1(t, v1, "hashedrekord", "0.0.1")}
	proved := *v1
	proved.Entries = []rekor.Entry{v1.Entries[0]}
	proved.Entries[0].SignedEntryTimestamp = nil
	proved.Timestamps = [][]byte{in.tsas[0].stamp(t, v1.Signature(), signedAt, true)}
	for who, c := range map[string]struct {
		b      *bundle.Bundle
		window func(*trust.Root) *trust.Validity
		step   verify.Step
		code   verify.Code
	}{
		"certificate authority": {v2, func(r *trust.Root) *trust.Validity { return &r.CertificateAuthorities[0].Validity }, verify.StepChain, verify.ChainUntrusted},
		"timestamp authority":   {v2, func(r *trust.Root) *trust.Validity { return &r.TimestampAuthorities[0].Validity }, verify.StepTimes, verify.TimestampUntrusted},
		"log":                   {v2, func(r *trust.Root) *trust.Validity { return &r.Logs[0].Validity }, verify.StepLog, verify.LogUnknown},
		"log of v1, by promise": {v1, func(r *trust.Root) *trust.Validity { return &r.Logs[0].Validity }, verify.StepTimes, verify.LogUnknown},
		"log of v1, by proof":   {&proved, func(r *trust.Root) *trust.Validity { return &r.Logs[0].Validity }, verify.StepLog, verify.LogUnknown},
		"CT log":                {v2, func(r *trust.Root) *trust.Validity { return &r.CTLogs[0].Validity }, verify.StepSCT, verify.SCTMissing},
		"CA, by promise":        {v1, func(r *trust.Root) *trust.Validity { return &r.CertificateAuthorities[0].Validity }, verify.StepChain, verify.ChainUntrusted},
	} {
		for at, w := range map[string]struct {
			window trust.Validity
			ok     bool
		}{
			"at the start":       {trust.Validity{Start: signedAt}, true},
			"at the end":         {trust.Validity{Start: signedAt.Add(-time.Hour), End: signedAt}, true},
			"start is the end":   {trust.Validity{Start: signedAt, End: signedAt}, true},
			"a second too early": {trust.Validity{Start: signedAt.Add(time.Second)}, false},
			"a second too late":  {trust.Validity{Start: signedAt.Add(-time.Hour), End: signedAt.Add(-time.Second)}, false},
			"never":              {trust.Validity{}, false},
			"in another age":     {trust.Validity{Start: signedAt.AddDate(-9, 0, 0), End: signedAt.AddDate(-8, 0, 0)}, false},
			"end before start":   {trust.Validity{Start: signedAt.Add(time.Second), End: signedAt.Add(-time.Second)}, false},
		} {
			t.Run(who+" "+at, func(t *testing.T) {
				v := in.rooted(t, func(r *trust.Root) { *c.window(r) = w.window })
				_, err := v.Verify(c.b, fromBytes(artifact), trustAlice)
				if w.ok && err != nil {
					t.Error(err)
				} else if !w.ok {
					refused(t, err, c.step, c.code)
				}
			})
		}
	}
}

// TestCertificatesIncludeBothEnds checks the same for certificates: of the certificate
// authority, of the timestamp authority, and of the signer at the time of a signed entry
// timestamp.
func TestCertificatesIncludeBothEnds(t *testing.T) {
	in := newInstance(t, "example.com")
	v := in.verifier(t)
	leaf := in.tsas[0].chain[0]
	for name, c := range map[string]struct {
		at time.Time
		ok bool
	}{
		"timestamp authority's start":     {leaf.NotBefore, true},
		"a second before it":              {leaf.NotBefore.Add(-time.Second), false},
		"timestamp authority's end":       {leaf.NotAfter, true},
		"a second after the end of trust": {leaf.NotAfter.Add(time.Second), false},
	} {
		v := in.rooted(t, func(r *trust.Root) { r.TimestampAuthorities[0].Validity.Start = time.Unix(0, 0) })
		b := in.sign(t, artifact, order{keyed: true, at: c.at, logs: []*logServer{}})
		policy := verify.Requirements{Keys: trustSigner(t), NoLogUnsafe: true}
		_, err := v.Verify(b, fromBytes(artifact), policy)
		if c.ok && err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !c.ok {
			t.Run(name, func(t *testing.T) { refused(t, err, verify.StepTimes, verify.TimestampUntrusted) })
		}
	}
	b := in.sign(t, artifact, order{logs: []*logServer{}, tsas: []*stamper{}})
	for at, code := range map[time.Time]verify.Code{
		signedAt.Add(-time.Minute): "", signedAt.Add(9 * time.Minute): "",
		signedAt.Add(-time.Minute - time.Second): verify.CertificateExpired, signedAt.Add(9*time.Minute + time.Second): verify.CertificateExpired,
	} {
		e := in.logs[0].entryV1(t, b, "hashedrekord", "0.0.1")
		in.logs[0].promise(t, &e, at)
		b.Entries = []rekor.Entry{e}
		_, err := v.Verify(b, fromBytes(artifact), trustAlice)
		if code == "" && err != nil {
			t.Errorf("%v: %v", at, err)
		} else if code != "" {
			refused(t, err, verify.StepChain, code)
		}
	}
}

// TestWindowsOfOneKeyFollowEachOther checks that an authority listed twice, with adjacent
// windows, has no gap.
func TestWindowsOfOneKeyFollowEachOther(t *testing.T) {
	in := newInstance(t, "example.com")
	b := in.sign(t, artifact, order{})
	for _, end := range []time.Time{signedAt.Add(-time.Second), signedAt, signedAt.Add(time.Second)} {
		v := in.rooted(t, func(r *trust.Root) {
			first, then := trust.Validity{Start: signedAt.Add(-time.Hour), End: end}, trust.Validity{Start: end.Add(time.Second)}
			r.Logs, r.CTLogs = []trust.Log{r.Logs[0], r.Logs[0]}, []trust.Log{r.CTLogs[0], r.CTLogs[0]}
			r.CertificateAuthorities = []trust.Authority{r.CertificateAuthorities[0], r.CertificateAuthorities[0]}
			r.TimestampAuthorities = []trust.Authority{r.TimestampAuthorities[0], r.TimestampAuthorities[0]}
			r.Logs[0].Validity, r.CTLogs[0].Validity, r.CertificateAuthorities[0].Validity, r.TimestampAuthorities[0].Validity = first, first, first, first
			r.Logs[1].Validity, r.CTLogs[1].Validity, r.CertificateAuthorities[1].Validity, r.TimestampAuthorities[1].Validity = then, then, then, then
		})
		policy := trustAlice
		if _, err := v.Verify(b, fromBytes(artifact), policy); err != nil {
			t.Errorf("%v: %v", end, err)
		}
		policy.LogThreshold = 2
		_, err := v.Verify(b, fromBytes(artifact), policy)
		refused(t, err, verify.StepLog, verify.ThresholdLogs)
	}
}

// TestSeveralSCTs checks SCTs of several CT logs: one valid SCT is enough, those of unknown
// logs are ignored, and an invalid one of a trusted log is refused.
func TestSeveralSCTs(t *testing.T) {
	in, foreign := newInstance(t, "example.com"), newInstance(t, "example.net")
	v, o := in.verifier(t), in.complete(t, order{})
	by := func(who *instance, at time.Time) func(sct.Precert) sct.SCT {
		return func(entry sct.Precert) sct.SCT {
			return testkit.Must(sct.Sign(who.ct, entry, uint64(at.UnixMilli()), nil))(t)
		}
	}
	own, unknown, early := by(in, signedAt), by(foreign, signedAt), by(in, signedAt.AddDate(-1, 0, 0))
	wrong := func(entry sct.Precert) sct.SCT {
		s := own(entry)
		s.Timestamp++
		return s
	}
	for name, c := range map[string]struct {
		all  []func(sct.Precert) sct.SCT
		code verify.Code
	}{
		"unknown first":   {[]func(sct.Precert) sct.SCT{unknown, own}, ""},
		"unknown last":    {[]func(sct.Precert) sct.SCT{own, unknown}, ""},
		"too early first": {[]func(sct.Precert) sct.SCT{early, own}, ""},
		"wrong first":     {[]func(sct.Precert) sct.SCT{wrong, own}, verify.SCTInvalid},
		"wrong last":      {[]func(sct.Precert) sct.SCT{own, wrong}, verify.SCTInvalid},
		"unknown alone":   {[]func(sct.Precert) sct.SCT{unknown}, verify.SCTMissing},
		"too early alone": {[]func(sct.Precert) sct.SCT{early}, verify.SCTMissing},
	} {
		cert := in.promised(t, o, unchanged, func(entry sct.Precert) []byte {
			var list []sct.SCT
			for _, s := range c.all {
				list = append(list, s(entry))
			}
			return testkit.Must(sct.MarshalList(list))(t)
		})
		_, err := v.Verify(in.signedBy(t, cert.Raw), fromBytes(artifact), trustAlice)
		if c.code == "" && err != nil {
			t.Errorf("%s: %v", name, err)
		} else if c.code != "" {
			t.Run(name, func(t *testing.T) { refused(t, err, verify.StepSCT, c.code) })
		}
	}
}

// TestCosignatures checks that cosignatures may be before or after the log's own line, and
// don't replace it.
func TestCosignatures(t *testing.T) {
	in := newInstance(t, "example.com")
	v, l := in.verifier(t), in.logs[0]
	witness := testkit.Must(checkpoint.NewSigner("witness.example.net", fixedKey(t, "witness")))(t)
	namesake := testkit.Must(checkpoint.NewSigner(l.origin, fixedKey(t, "namesake")))(t)
	own := testkit.Must(checkpoint.NewSigner(l.origin, l.key))(t)
	for name, c := range map[string]struct {
		lines []note.Signer
		ok    bool
	}{
		"alone":             {[]note.Signer{own}, true},
		"before":            {[]note.Signer{witness, own}, true},
		"after":             {[]note.Signer{own, witness}, true},
		"around":            {[]note.Signer{witness, own, namesake}, true},
		"between the log's": {[]note.Signer{namesake, witness, own}, true},
		"without the log's": {[]note.Signer{witness, namesake}, false},
		"a namesake's":      {[]note.Signer{namesake}, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := in.sign(t, artifact, order{})
			e := &b.Entries[0]
			e.Proof.Size, e.Proof.Index, e.LogIndex, e.Proof.Hashes = 1, 0, 0, nil
			e.Proof.Root = tile.LeafHash(e.CanonicalizedBody)
			e.Proof.Checkpoint = testkit.Must(checkpoint.Sign(checkpoint.Checkpoint{Origin: l.origin, Size: 1, Root: e.Proof.Root}, c.lines...))(t)
			if n := strings.Count(string(e.Proof.Checkpoint), "\n— "); n != len(c.lines) {
				t.Fatalf("%d lines", n)
			}
			_, err := v.Verify(testkit.Must(bundle.Parse(testkit.Must(b.Marshal())(t)))(t), fromBytes(artifact), trustAlice)
			if c.ok && err != nil {
				t.Error(err)
			} else if !c.ok {
				refused(t, err, verify.StepLog, verify.CheckpointInvalid)
			}
		})
	}
}

// TestOrigins checks the origins of a log with a port and a path, and other origins.
func TestOrigins(t *testing.T) {
	in := newInstance(t, "example.com")
	l := in.logs[0]
	v := in.rooted(t, func(r *trust.Root) { r.Logs[0].BaseURL = "https://log1.example.com:8443/rekor/" })
	for origin, ok := range map[string]bool{
		"log1.example.com": true, "log1.example.com:8443": true, "log1.example.com/rekor": true, "log1.example.com:8443/rekor": true,
		"log1.example.com/rekor/": false, "https://log1.example.com": false, "LOG1.example.com": false, "log1.example.com.": false,
		"log1.example.com:443": false, "log2.example.com": false, "log1.example.com - 7": false,
	} {
		t.Run(origin, func(t *testing.T) {
			b := in.sign(t, artifact, order{})
			e := b.Entries[0]
			name, _, _ := strings.Cut(origin, " ")
			b.Entries[0] = l.aloneAs(t, origin, name, e.Kind, e.Version, e.CanonicalizedBody)
			_, err := v.Verify(b, fromBytes(artifact), trustAlice)
			if ok && err != nil {
				t.Error(err)
			} else if !ok {
				refused(t, err, verify.StepLog, verify.CheckpointInvalid)
			}
		})
	}
}

// TestKeyHintDecidesNothing checks that a key hint affects neither the choice of the key nor
// the result.
func TestKeyHintDecidesNothing(t *testing.T) {
	in := newInstance(t, "example.com")
	v := in.verifier(t)
	b := in.sign(t, artifact, order{keyed: true})
	for _, hint := range []string{"", "hint", "../../etc/passwd", strings.Repeat("x", 1<<20)} {
		b.KeyHint = hint
		if _, err := v.Verify(b, fromBytes(artifact), verify.Requirements{Keys: trustSigner(t)}); err != nil {
			t.Errorf("%.20q: %v", hint, err)
		}
		_, err := v.Verify(b, fromBytes(artifact), verify.Requirements{Keys: append(trustSigner(t)[:0:0], in.ct.Public())})
		refused(t, err, verify.StepLog, verify.KeyMismatch)
	}
}

// TestThresholds checks that one fewer than the threshold is refused, one more is accepted, and
// a negative threshold means 1.
func TestThresholds(t *testing.T) {
	in := newInstance(t, "example.com")
	v := in.verifier(t)
	for logs := range 3 {
		for stamps := range 3 {
			b := in.sign(t, artifact, order{logs: in.logs[:logs:logs], tsas: in.tsas[:stamps:stamps]})
			for _, wantLogs := range []int{-1, 0, 1, 2, 3} {
				for _, wantStamps := range []int{-1, 0, 1, 2, 3} {
					t.Run(fmt.Sprintf("%d of %d logs, %d of %d times", logs, wantLogs, stamps, wantStamps), func(t *testing.T) {
						policy := trustAlice
						policy.LogThreshold, policy.TimestampThreshold = wantLogs, wantStamps
						_, err := v.Verify(b, fromBytes(artifact), policy)
						switch {
						case stamps == 0:
							refused(t, err, verify.StepTimes, verify.TimestampMissing)
						case stamps < wantStamps:
							refused(t, err, verify.StepTimes, verify.ThresholdTimestamps)
						case logs == 0:
							refused(t, err, verify.StepLog, verify.LogMissing)
						case logs < wantLogs:
							refused(t, err, verify.StepLog, verify.ThresholdLogs)
						case err != nil:
							t.Error(err)
						}
					})
				}
			}
		}
	}
}

// TestCheckpointKeyHint checks, for both generations of Rekor, that a valid signature with
// another key hint, the four bytes before it, is ignored as one of an unknown key.
func TestCheckpointKeyHint(t *testing.T) {
	in := newInstance(t, "example.com")
	v := in.verifier(t)
	old := in.sign(t, artifact, order{logs: []*logServer{}, tsas: []*stamper{}})
	old.Entries = []rekor.Entry{in.logs[0].entryV1(t, old, "hashedrekord", "0.0.1")}
	for name, b := range map[string]*bundle.Bundle{"v1": old, "v2": in.sign(t, artifact, order{})} {
		good := string(b.Entries[0].Proof.Checkpoint)
		at := strings.LastIndexByte(strings.TrimSuffix(good, "\n"), ' ') + 1
		line := testkit.Must(base64.StdEncoding.DecodeString(strings.TrimSpace(good[at:])))(t)
		for what, c := range map[string]struct {
			line []byte
			ok   bool
		}{
			"as it is":       {line, true},
			"another key's":  {append([]byte{line[0] ^ 1}, line[1:]...), false},
			"zero":           {append(make([]byte, 4), line[4:]...), false},
			"no signature":   {line[:4], false},
			"no hint":        {line[4:], false},
			"cut signature":  {line[:len(line)-1], false},
			"the other's":    {append(checkpointID(t, in.logs[1]), line[4:]...), false},
			"bits behind it": {append(append([]byte{}, line...), 0), false},
		} {
			t.Run(name+", "+what, func(t *testing.T) {
				b.Entries[0].Proof.Checkpoint = []byte(good[:at] + base64.StdEncoding.EncodeToString(c.line) + "\n")
				_, err := v.Verify(b, fromBytes(artifact), trustAlice)
				if c.ok && err != nil {
					t.Error(err)
				} else if !c.ok {
					refused(t, err, verify.StepLog, verify.CheckpointInvalid)
				}
			})
		}
	}
}

func checkpointID(t testing.TB, l *logServer) []byte {
	return testkit.Must(checkpoint.LogID(l.origin, l.key.Public()))(t)[:4]
}

// TestWindowsWithoutTime checks that an entry without trusted time is refused for a log that
// has ended, since its key could still sign entries.
func TestWindowsWithoutTime(t *testing.T) {
	in := newInstance(t, "example.com")
	b := in.sign(t, artifact, order{keyed: true, tsas: []*stamper{}})
	policy := verify.Requirements{Keys: []crypto.PublicKey{fixedKey(t, "signer").Public()}, NoTimestampUnsafe: true}
	for name, c := range map[string]struct {
		window trust.Validity
		want   verify.Code
	}{
		"open":  {trust.Validity{Start: signedAt}, ""},
		"ended": {trust.Validity{Start: signedAt.Add(-time.Hour), End: signedAt.Add(time.Hour)}, verify.LogUnknown},
		"never": {trust.Validity{}, verify.LogUnknown},
	} {
		v := in.rooted(t, func(r *trust.Root) { r.Logs[0].Validity = c.window })
		_, err := v.Verify(b, fromBytes(artifact), policy)
		if c.want == "" && err != nil {
			t.Errorf("%s: %v", name, err)
		} else if c.want != "" {
			refused(t, err, verify.StepLog, c.want)
		}
	}
}

// TestIntegratedTimeWithoutPromise checks that an entry's time is only trusted and returned if
// there is a signed entry timestamp.
func TestIntegratedTimeWithoutPromise(t *testing.T) {
	in := newInstance(t, "example.com")
	b := in.sign(t, artifact, order{})
	b.Entries[0].IntegratedTime = signedAt.Add(-time.Hour)
	r, err := in.verifier(t).Verify(b, fromBytes(artifact), trustAlice)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Entries[0].IntegratedTime; !got.IsZero() {
		t.Errorf("the result has %v", got)
	}
	b = in.sign(t, artifact, order{logs: []*logServer{}, tsas: []*stamper{}})
	b.Entries = []rekor.Entry{in.logs[0].entryV1(t, b, "hashedrekord", "0.0.1")}
	if r, err = in.verifier(t).Verify(b, fromBytes(artifact), trustAlice); err != nil || r.Entries[0].IntegratedTime.IsZero() {
		t.Errorf("with a promise: %+v, %v", r, err)
	}
}
