// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/dsse"
	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// An outcome is the expected outcome for hostile input. An empty code means that it is
// accepted.
type outcome struct {
	step verify.Step
	code verify.Code
}

var (
	accepted   = outcome{}
	noIdentity = outcome{verify.StepIdentity, verify.IdentityMismatch}
	noChain    = outcome{verify.StepChain, verify.ChainUntrusted}
	noShape    = outcome{verify.StepShape, verify.Malformed}
	noSCT      = outcome{verify.StepSCT, verify.SCTInvalid}
)

// judge marshals, parses and verifies the bundle. It checks that this takes bounded time, and
// that live memory is at most four times the input plus a constant.
func (want outcome) judge(t *testing.T, v *verify.Verifier, b *bundle.Bundle, p verify.Requirements) {
	t.Helper()
	raw, err := b.Marshal()
	if err != nil {
		want.check(t, err)
		return
	}
	run := func() {
		var read *bundle.Bundle
		if read, err = bundle.Parse(raw); err == nil {
			_, err = v.Verify(read, fromBytes(artifact), p)
		}
	}
	start := time.Now()
	used := allocated(run)
	if took := time.Since(start); took > time.Minute { // normally far less; longer if quadratic
		t.Errorf("took %v", took)
	}
	want.check(t, err)
	most := uint64(4*len(raw) + 1<<20)
	if used <= most { // the total, including freed memory
		return
	}
	if peak := alive(run); peak > most {
		t.Errorf("%d bytes alive at once, %d allocated for %d of input", peak, used, len(raw))
	}
}

// allocated returns the number of bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// alive returns the maximum size of the heap while f runs, with frequent garbage collections.
func alive(f func()) uint64 {
	defer debug.SetGCPercent(debug.SetGCPercent(1))
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	heap := func() uint64 {
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	runtime.GC()
	base, peak := heap(), uint64(0)
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			peak = max(peak, heap())
			select {
			case <-done:
				return
			default:
				runtime.Gosched()
			}
		}
	}()
	f()
	close(done)
	<-stopped
	return peak - min(base, peak)
}

func (want outcome) check(t *testing.T, err error) {
	t.Helper()
	if want == noShape && errors.Is(err, bundle.ErrMalformed) {
		return
	}
	if want != accepted {
		refused(t, err, want.step, want.code)
	} else if err != nil {
		t.Error(err)
	}
}

// spelled returns other encodings of a DER element, which BER allows.
func spelled(t testing.TB, der []byte) map[string][]byte {
	var outer asn1.RawValue
	if _, err := asn1.Unmarshal(der, &outer); err != nil {
		return nil
	}
	n := len(outer.Bytes)
	return map[string][]byte{
		"indefinite length":     append(append([]byte{der[0], 0x80}, outer.Bytes...), 0, 0),
		"length with a zero":    append([]byte{der[0], 0x84, 0, byte(n >> 16), byte(n >> 8), byte(n)}, outer.Bytes...),
		"length of eight bytes": append([]byte{der[0], 0x88, 0, 0, 0, 0, 0, byte(n >> 16), byte(n >> 8), byte(n)}, outer.Bytes...),
		"length of 2^64":        append([]byte{der[0], 0x88, 255, 255, 255, 255, 255, 255, 255, 255}, outer.Bytes...),
		"length beyond the end": append([]byte{der[0], 0x83, byte(n >> 16), byte(n >> 8), byte(n) + 1}, outer.Bytes...),
		"trailing data":         append(bytes.Clone(der), 0),
		"twice":                 append(bytes.Clone(der), der...),
		"other tag":             append([]byte{der[0] ^ 1}, der[1:]...),
		"constructed bit":       append([]byte{der[0] ^ 0x20}, der[1:]...),
		"in itself":             testkit.Must(asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: der}))(t),
		"nested":                bytes.Repeat([]byte{0x30, 0x80}, 10_000),
		"empty":                 {0x30, 0},
	}
}

// TestBER checks that encodings of BER that DER excludes are refused everywhere: in the
// certificate, in the timestamp, in the logged signature, and in the signed entry timestamp.
func TestBER(t *testing.T) {
	in := newInstance(t, "example.com")
	v := in.verifier(t)
	good := in.sign(t, artifact, order{})
	for name, der := range spelled(t, good.Certificates[0]) {
		t.Run("certificate, "+name, func(t *testing.T) { noShape.judge(t, v, in.loggedAs(t, der), trustAlice) })
	}
	for name, der := range spelled(t, good.Timestamps[0]) {
		t.Run("timestamp, "+name, func(t *testing.T) {
			b := *good
			b.Timestamps = [][]byte{der}
			outcome{verify.StepTimes, verify.TimestampInvalid}.judge(t, v, &b, trustAlice)
		})
	}
	signatures := spelled(t, good.Signature())
	signatures["integer with a zero"] = padded(good.Signature())
	signatures["negative integer"] = []byte{0x30, 6, 2, 1, 0xff, 2, 1, 1}
	signatures["zeroes"] = []byte{0x30, 6, 2, 1, 0, 2, 1, 0}
	for name, der := range signatures {
		t.Run("signature, "+name, func(t *testing.T) {
			b := *good
			b.Message = &bundle.MessageSignature{Hash: good.Message.Hash, Digest: good.Message.Digest, Signature: der}
			b.Timestamps = [][]byte{in.tsas[0].stamp(t, der, signedAt, false)}
			b.Entries = []rekor.Entry{in.hashed(t, rekor.HashedRekord{Digest: good.Message.Digest, Signature: der,
				Verifier: rekor.Verifier{Certificate: good.Certificates[0], KeyDetails: sigalg.ECDSAP256SHA256}})}
			outcome{verify.StepSignature, verify.SignatureInvalid}.judge(t, v, &b, trustAlice)
		})
	}
	promised := in.sign(t, artifact, order{logs: []*logServer{}, tsas: []*stamper{}})
	e := in.logs[0].entryV1(t, promised, "hashedrekord", "0.0.1")
	promises := spelled(t, e.SignedEntryTimestamp)
	promises["integer with a zero"] = padded(e.SignedEntryTimestamp)
	for name, der := range promises {
		t.Run("promise, "+name, func(t *testing.T) {
			b, e := *promised, e
			e.SignedEntryTimestamp = der
			b.Entries = []rekor.Entry{e}
			outcome{verify.StepTimes, verify.LogPromiseInvalid}.judge(t, v, &b, trustAlice)
		})
	}
}

// padded returns an ECDSA signature whose first integer has a superfluous zero.
func padded(der []byte) []byte {
	body := append([]byte{2, der[3] + 1, 0}, der[4:]...)
	return append([]byte{0x30, byte(len(body))}, body...)
}

// TestHandMadeNumbers checks that the limits also apply to bundles built by programs, before
// their parts are decoded.
func TestHandMadeNumbers(t *testing.T) {
	in := newInstance(t, "example.com")
	v := in.verifier(t)
	good := in.sign(t, artifact, order{})
	for name, spoil := range map[string]func(*bundle.Bundle){
		"log entries":       func(b *bundle.Bundle) { b.Entries = slices.Repeat(b.Entries, 100_000) },
		"timestamps":        func(b *bundle.Bundle) { b.Timestamps = slices.Repeat(b.Timestamps, 100_000) },
		"certificates":      func(b *bundle.Bundle) { b.Certificates = slices.Repeat(b.Certificates, 100_000) },
		"large certificate": func(b *bundle.Bundle) { b.Certificates = append(b.Certificates, make([]byte, bundle.MaxChain)) },
		"signatures": func(b *bundle.Bundle) {
			b.Message, b.Envelope = nil, &dsse.Envelope{Signatures: slices.Repeat([]dsse.Signature{{Sig: b.Signature()}}, 100_000)}
		},
	} {
		b := *good
		spoil(&b)
		start := time.Now()
		_, err := v.Verify(&b, fromBytes(artifact), trustAlice)
		if noShape.check(t, err); time.Since(start) > time.Minute {
			t.Errorf("%s: took %v", name, time.Since(start))
		}
	}
	// As many as allowed.
	full := *good
	full.Entries, full.Timestamps = slices.Repeat(good.Entries, bundle.MaxEntries), slices.Repeat(good.Timestamps, bundle.MaxTimestamps)
	accepted.judge(t, v, &full, trustAlice)
	policy := trustAlice
	policy.LogThreshold = 2
	outcome{verify.StepLog, verify.ThresholdLogs}.judge(t, v, &full, policy)
}

// TestHostileNumbers checks that indices, sizes and times at the limits of their types are
// refused by Parse or Verify without a panic.
func TestHostileNumbers(t *testing.T) {
	in := newInstance(t, "example.com")
	v := in.verifier(t)
	good := in.sign(t, artifact, order{})
	raw := string(testkit.Must(good.Marshal())(t))
	for _, member := range []string{"logIndex", "treeSize", "integratedTime"} {
		for _, value := range []string{`"-1"`, `-1`, `"9223372036854775807"`, `"9223372036854775808"`, `9223372036854775808`, `"18446744073709551616"`,
			`1e30`, `"1e3"`, `0.5`, `"0x1"`, `" 1"`, `true`, `{}`, `[]`, `""`, `NaN`} {
			at := strings.LastIndex(raw, `"`+member+`":`)
			text := raw
			if at < 0 {
				text = strings.Replace(raw, `"logId"`, `"`+member+`":`+value+`,"logId"`, 1)
			} else {
				end := at + len(member) + 3 + strings.IndexAny(raw[at+len(member)+3:], ",}")
				text = raw[:at] + `"` + member + `":` + value + raw[end:]
			}
			b, err := bundle.Parse([]byte(text))
			if err == nil {
				_, err = v.Verify(b, fromBytes(artifact), trustAlice)
			}
			if member == "integratedTime" && value == `"1e3"` { // valid in protobuf's JSON: 1000
				continue
			}
			if refusal := new(verify.Error); !errors.As(err, &refusal) && !errors.Is(err, bundle.ErrMalformed) {
				t.Errorf("%s %s: %v", member, value, err)
			}
		}
	}
	for _, n := range []uint64{1 << 20, 1 << 31, 1 << 62, math.MaxInt64, 1 << 63, math.MaxUint64} {
		for name, spoil := range map[string]func(*rekor.Entry){
			"index":          func(e *rekor.Entry) { e.LogIndex = n },
			"leaf":           func(e *rekor.Entry) { e.Proof.Index = n },
			"both":           func(e *rekor.Entry) { e.LogIndex, e.Proof.Index = n, n },
			"size":           func(e *rekor.Entry) { e.Proof.Size = n + 1 },
			"leaf and size":  func(e *rekor.Entry) { e.LogIndex, e.Proof.Index, e.Proof.Size = n-1, n-1, n },
			"size as signed": func(e *rekor.Entry) { in.logs[0].headed(t, e, n) },
		} {
			b := in.sign(t, artifact, order{})
			spoil(&b.Entries[0])
			_, err := v.Verify(b, fromBytes(artifact), trustAlice)
			if refusal := new(verify.Error); !errors.As(err, &refusal) {
				t.Errorf("%s %d: %v", name, n, err)
			}
		}
	}
}

// headed sets the entry's checkpoint to one of a tree of this size, in which the entry is, or
// claims to be, the last leaf.
func (l *logServer) headed(t testing.TB, e *rekor.Entry, size uint64) {
	t.Helper()
	e.LogIndex, e.Proof.Index, e.Proof.Size = size-1, size-1, size
	head := checkpoint.Checkpoint{Origin: l.origin, Size: size, Root: e.Proof.Root}
	if size <= math.MaxInt64 {
		e.Proof.Checkpoint = testkit.Must(checkpoint.Sign(head, testkit.Must(checkpoint.NewSigner(l.origin, l.key))(t)))(t)
	}
}

// TestHostileTimes checks times at the limits of the calendar, from each source.
func TestHostileTimes(t *testing.T) {
	in := newInstance(t, "example.com")
	first, last := time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	always := in.rooted(t, func(r *trust.Root) {
		w := trust.Validity{Start: first, End: last}
		r.Logs[0].Validity, r.CTLogs[0].Validity, r.CertificateAuthorities[0].Validity, r.TimestampAuthorities[0].Validity = w, w, w, w
	})
	accepted.judge(t, always, in.sign(t, artifact, order{}), trustAlice)
	for _, at := range []time.Time{first, time.Date(1949, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC), last} {
		for name, v := range map[string]*verify.Verifier{"as it is": in.verifier(t), "trusted always": always} {
			t.Run(name+" "+at.Format(time.DateOnly), func(t *testing.T) {
				outcome{verify.StepTimes, verify.TimestampUntrusted}.judge(t, v, in.sign(t, artifact, order{at: at}), trustAlice)
				if at.Before(time.Unix(0, 0)) {
					return // no promise has such a time
				}
				b := in.sign(t, artifact, order{logs: []*logServer{}, tsas: []*stamper{}})
				e := in.logs[0].entryV1(t, b, "hashedrekord", "0.0.1")
				in.logs[0].promise(t, &e, at)
				b.Entries = []rekor.Entry{e}
				want := outcome{verify.StepChain, verify.CertificateExpired}
				want.judge(t, v, b, trustAlice)
			})
		}
	}
	// Bytes that look like a time.
	good := in.sign(t, artifact, order{})
	for _, text := range []string{"00000101000000Z", "20260230050607Z", "20261304050607Z", "20260304250607Z", "20260304056007Z", "20260304050661Z", "20260304050607+", "2026030405060ZZ", "-0260304050607Z"} {
		b := *good
		b.Timestamps = [][]byte{bytes.Replace(good.Timestamps[0], []byte("20260304050607Z"), []byte(text), 1)}
		if bytes.Equal(b.Timestamps[0], good.Timestamps[0]) {
			t.Fatal("the time is not where it was thought to be")
		}
		outcome{verify.StepTimes, verify.TimestampInvalid}.judge(t, in.verifier(t), &b, trustAlice)
	}
}

// TestHostileJSON checks bodies of log entries and statements with duplicate, unknown, deep and
// large members.
func TestHostileJSON(t *testing.T) {
	in := newInstance(t, "example.com")
	v := in.verifier(t)
	good := in.sign(t, artifact, order{})
	body := string(good.Entries[0].CanonicalizedBody)
	for name, text := range map[string]string{
		"doubled member":  strings.Replace(body, `"data":`, `"data":{"algorithm":"SHA2_256","digest":""},"data":`, 1),
		"doubled kind":    strings.Replace(body, `"kind":`, `"kind":"dsse","kind":`, 1),
		"escaped name":    strings.Replace(body, `"kind":`, `"kin\u0064":"dsse","kind":`, 1),
		"unknown member":  strings.Replace(body, `"data":`, `"x":0,"data":`, 1),
		"other case":      strings.Replace(body, `"kind"`, `"Kind"`, 1),
		"trailing data":   body + "{}",
		"deep":            strings.Repeat(`{"spec":`, 5_000),
		"arrays":          strings.Repeat(`[`, 1<<20),
		"large":           strings.Replace(body, `"kind":"`, `"kind":"`+strings.Repeat("a", 1<<20), 1),
		"invalid UTF-8":   strings.Replace(body, `"kind":"`, `"kind":"`+"\xff", 1),
		"NUL":             body + "\x00",
		"byte order mark": "\ufeff" + body,
		"two spellings":   strings.Replace(body, `"kind":"hashedrekord"`, `"kind":"hashedrekorԁ"`, 1),
	} {
		t.Run("body, "+name, func(t *testing.T) {
			b := *good
			b.Entries = []rekor.Entry{in.logs[0].alone(t, rekor.KindHashedRekord, rekor.VersionHashedRekord, []byte(text))}
			noShape.judge(t, v, &b, trustAlice)
		})
	}
	statement := string(statementOf("sha256", sum256(artifact), "p"))
	for name, text := range map[string]string{
		"doubled subject":   strings.Replace(statement, `"subject":`, `"subject":[],"subject":`, 1),
		"doubled predicate": strings.Replace(statement, `"predicateType":`, `"predicateType":"q","predicateType":`, 1),
		"doubled digest":    strings.Replace(statement, `{"sha256":`, `{"sha256":"00","sha256":`, 1),
		"trailing data":     statement + "{}",
		"deep":              strings.Replace(statement, `"predicate":{}`, `"predicate":`+strings.Repeat("[", 20_000), 1),
		"invalid UTF-8":     strings.Replace(statement, `"name":"a"`, `"name":"`+"\xff"+`"`, 1),
	} {
		t.Run("statement, "+name, func(t *testing.T) {
			outcome{verify.StepStatement, verify.StatementInvalid}.judge(t, v, in.sign(t, nil, order{payload: []byte(text)}), trustAlice)
		})
	}
	digests := strings.Replace(statement, `"digest":{`, `"digest":{`+digestsOf(1_000_000)+`,`, 1)
	outcome{verify.StepStatement, verify.StatementInvalid}.judge(t, v, in.sign(t, nil, order{payload: []byte(digests)}), trustAlice)
	large := strings.Replace(statement, `"subject":[`, `"subject":[`+strings.Repeat(`{"name":"b","digest":{"sha256":"00"}},`, 10<<20/38), 1)
	outcome{verify.StepStatement, verify.StatementInvalid}.judge(t, v, in.sign(t, nil, order{payload: []byte(large)}), trustAlice)
}

func digestsOf(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"%x":"",`, i)
	}
	return strings.TrimSuffix(b.String(), ",")
}

// TestLargeParts checks large parts where they are allowed.
func TestLargeParts(t *testing.T) {
	in := newInstance(t, "example.com")
	v := in.verifier(t)
	predicate := strings.Replace(string(statementOf("sha256", sum256(artifact), "p")), `"predicate":{}`, `"predicate":{"x":"`+strings.Repeat("a", 10<<20)+`"}`, 1)
	accepted.judge(t, v, in.sign(t, nil, order{payload: []byte(predicate)}), trustAlice)
	for name, c := range map[string]struct {
		spoil func(*bundle.Bundle)
		want  outcome
	}{
		"signature":  {func(b *bundle.Bundle) { b.Message.Signature = make([]byte, 10<<20) }, outcome{verify.StepTimes, verify.TimestampInvalid}},
		"timestamp":  {func(b *bundle.Bundle) { b.Timestamps = [][]byte{make([]byte, 10<<20)} }, outcome{verify.StepTimes, verify.TimestampInvalid}},
		"checkpoint": {func(b *bundle.Bundle) { b.Entries[0].Proof.Checkpoint = bytes.Repeat([]byte("a"), 10<<20) }, outcome{verify.StepLog, verify.CheckpointInvalid}},
		"cosignatures": {func(b *bundle.Bundle) {
			b.Entries[0].Proof.Checkpoint = append(b.Entries[0].Proof.Checkpoint, bytes.Repeat([]byte("— witness.example.net AAAAAAAAAAAAAAAA\n"), 100_000)...)
		}, outcome{verify.StepLog, verify.CheckpointInvalid}},
		"body":    {func(b *bundle.Bundle) { b.Entries[0].CanonicalizedBody = bytes.Repeat([]byte(" "), 10<<20) }, noShape},
		"promise": {func(b *bundle.Bundle) { b.Entries[0].SignedEntryTimestamp = make([]byte, 10<<20) }, accepted}, // not read in entries of Rekor v2
	} {
		t.Run(name, func(t *testing.T) {
			b := in.sign(t, artifact, order{})
			c.spoil(b)
			c.want.judge(t, v, b, trustAlice)
		})
	}
}
