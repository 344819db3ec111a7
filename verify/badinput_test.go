package verify_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
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
	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/dsse"
	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/sct"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// outcome is what is made of input that means no good: accepted when code is
// empty.
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

// judge writes the bundle, reads it and verifies it within time and memory: what
// is alive at a time is at most four times the input and a constant.
func (want outcome) judge(t *testing.T, v *verify.Verifier, b *bundle.Bundle, p verify.Policy) {
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
	if took := time.Since(start); took > 5*time.Second { // far less without the race detector
		t.Errorf("took %v", took)
	}
	want.check(t, err)
	most := uint64(4*len(raw) + 1<<20)
	if used <= most { // all of it together, freed or not
		return
	}
	if peak := alive(run); peak > most {
		t.Errorf("%d bytes alive at once, %d allocated for %d of input", peak, used, len(raw))
	}
}

// allocated is everything that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// alive is the most of it that is on the heap at once, with a collector that
// hardly lets anything lie.
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

// san is a subject alternative name extension of these names, as they are.
func san(t testing.TB, names ...asn1.RawValue) pkix.Extension {
	t.Helper()
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Critical: true, Value: must(asn1.Marshal(names))(t)}
}

func general(tag int, value string) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, Bytes: []byte(value)}
}

const (
	tagEmail = 1
	tagDNS   = 2
	tagURI   = 6
)

// named makes a certificate with other names than alice's.
func named(t testing.TB, names ...asn1.RawValue) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		for i, ext := range c.ExtraExtensions {
			if ext.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 17}) {
				c.ExtraExtensions[i] = san(t, names...)
			}
		}
	}
}

func many(n int, name func(int) asn1.RawValue) []asn1.RawValue {
	var all []asn1.RawValue
	for i := range n {
		all = append(all, name(i))
	}
	return all
}

func extended(id asn1.ObjectIdentifier, critical bool, value []byte) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: id, Critical: critical, Value: value})
	}
}

// Certificates that a certificate authority of the root has issued and a CT log
// has seen, and that are still not alice's, or not fit to be anybody's.
func TestHostileCertificates(t *testing.T) {
	in := newInstance(t, "example.com")
	v, o := in.verifier(t), in.complete(t, order{})
	email := general(tagEmail, "alice@example.com")
	private := asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}
	for name, c := range map[string]struct {
		change func(*x509.Certificate)
		want   outcome
	}{
		"as it should be":         {named(t, email), accepted},
		"10,000 mailboxes":        {named(t, many(10_000, func(i int) asn1.RawValue { return general(tagEmail, fmt.Sprintf("a%d@example.com", i)) })...), noShape},
		"10,000 hosts":            {named(t, many(10_000, func(i int) asn1.RawValue { return general(tagDNS, fmt.Sprintf("a%d.example.com", i)) })...), noShape},
		"10,000 URIs, alice last": {named(t, append(many(10_000, func(i int) asn1.RawValue { return general(tagURI, fmt.Sprintf("https://a/%d", i)) }), email)...), noShape},
		"a name of 1 MB":          {named(t, general(tagURI, "https://a/"+strings.Repeat("a", 1<<20))), noShape},
		"alice twice":             {named(t, email, email), noIdentity},
		"alice and bob":           {named(t, email, general(tagEmail, "bob@example.com")), noIdentity},
		"bob and alice":           {named(t, general(tagEmail, "bob@example.com"), email), noIdentity},
		"alice and a URI":         {named(t, email, general(tagURI, "https://example.com")), noIdentity},
		"alice and a host":        {named(t, email, general(tagDNS, "example.com")), noIdentity},
		"alice as a URI":          {named(t, general(tagURI, "alice@example.com")), noIdentity},
		"no name":                 {named(t), noIdentity},
		"NUL behind":              {named(t, general(tagEmail, "alice@example.com\x00")), noIdentity},
		"NUL and more":            {named(t, general(tagEmail, "alice@example.com\x00.example.net")), noIdentity},
		"NUL before":              {named(t, general(tagEmail, "\x00alice@example.com")), noIdentity},
		"NUL in a URI":            {named(t, general(tagURI, "https://example.com\x00/")), noShape}, // crypto/x509 parses URIs
		"line break":              {named(t, general(tagEmail, "alice@example.com\n")), noIdentity},
		"space behind":            {named(t, general(tagEmail, "alice@example.com ")), noIdentity},
		"dot behind":              {named(t, general(tagEmail, "alice@example.com.")), noIdentity},
		"other case":              {named(t, general(tagEmail, "Alice@example.com")), noIdentity},
		"Cyrillic a":              {named(t, general(tagEmail, "аlice@example.com")), noShape}, // no IA5String
		"Cyrillic a in a URI":     {named(t, general(tagURI, "https://exаmple.com")), noShape},
		"in punycode":             {named(t, general(tagEmail, "alice@xn--exmple-4nf.com")), noIdentity},
		"fullwidth":               {named(t, general(tagEmail, "alice＠example.com")), noShape},
		"zero-width space":        {named(t, general(tagEmail, "alice\u200b@example.com")), noShape},
		"a large extension":       {extended(private, false, make([]byte, 1<<20)), noShape},
		"10,000 extensions": {func(c *x509.Certificate) {
			for i := range 10_000 {
				extended(append(private[:len(private):len(private)], i), false, nil)(c)
			}
		}, noShape},
		"1,000 extensions": {func(c *x509.Certificate) {
			for i := range 1_000 {
				extended(append(private[:len(private):len(private)], i), false, nil)(c)
			}
		}, accepted},
		"1,000 mailboxes":          {named(t, many(1_000, func(i int) asn1.RawValue { return general(tagEmail, fmt.Sprintf("a%d@example.com", i)) })...), noIdentity},
		"10,000 empty mailboxes":   {named(t, many(10_000, func(int) asn1.RawValue { return general(tagEmail, "") })...), noIdentity},
		"an extension of 25 KB":    {extended(private, false, make([]byte, 25<<10)), accepted},
		"an extension twice":       {func(c *x509.Certificate) { extended(private, false, nil)(c); extended(private, false, nil)(c) }, noShape},
		"an unknown, critical":     {extended(private, true, nil), noChain},
		"another issuer beside":    {extended(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 8}, false, []byte{0x0c, 0}), noShape},
		"dates of year 1 and 9999": {dated(time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)), accepted},
		"over in year 1":           {dated(time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC)), outcome{verify.StepChain, verify.CertificateExpired}},
		"begins in 9999":           {dated(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)), outcome{verify.StepChain, verify.CertificateExpired}},
		"over before it begins":    {dated(signedAt.Add(time.Hour), signedAt.Add(-time.Hour)), outcome{verify.StepChain, verify.CertificateExpired}},
		"an authority's":           {func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }, accepted}, // issued and logged for alice all the same
		"constrains names": {func(c *x509.Certificate) {
			c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"example.net"}, true
		}, accepted}, // and there is nobody below
		"for every usage":           {func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }, noChain},
		"for servers and code":      {func(c *x509.Certificate) { c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth) }, accepted},
		"serial of 20 bytes":        {func(c *x509.Certificate) { c.SerialNumber = c.SerialNumber.Lsh(c.SerialNumber, 150) }, accepted},
		"a subject of 1 MB":         {func(c *x509.Certificate) { c.Subject.CommonName = strings.Repeat("a", 1<<20) }, noShape},
		"alice as the subject only": {func(c *x509.Certificate) { c.Subject.CommonName = "alice@example.com"; named(t)(c) }, noIdentity},
	} {
		t.Run(name, func(t *testing.T) {
			der, ok := in.hostile(t, o, c.change)
			if !ok && c.want != noShape {
				t.Fatal("crypto/x509 does not read it")
			}
			c.want.judge(t, v, in.loggedAs(t, der), trustAlice)
		})
	}
}

// hostile issues a certificate after a change, with an SCT unless crypto/x509
// can't read it.
func (in *instance) hostile(t testing.TB, o order, change func(*x509.Certificate)) ([]byte, bool) {
	t.Helper()
	template := in.template(t, o)
	change(template)
	der := must(x509.CreateCertificate(rand.Reader, template, o.ca.cert, o.key.Public(), o.ca.key))(t)
	if _, err := x509.ParseCertificate(der); err != nil {
		return der, false
	}
	return in.promised(t, o, change, func(entry sct.Precert) []byte {
		return must(sct.MarshalList([]sct.SCT{must(sct.Sign(in.ct, entry, uint64(signedAt.UnixMilli()), nil))(t)}))(t)
	}).Raw, true
}

// loggedAs is a bundle of this certificate, whatever it is, which the log has.
func (in *instance) loggedAs(t testing.TB, certificate []byte) *bundle.Bundle {
	t.Helper()
	b := in.sign(t, artifact, order{logs: []*logServer{}})
	b.Certificates[0] = certificate
	b.Entries = []rekor.Entry{in.hashed(t, rekor.HashedRekord{Digest: b.Message.Digest, Signature: b.Signature(),
		Verifier: rekor.Verifier{Certificate: certificate, KeyDetails: sigalg.ECDSAP256SHA256}})}
	return b
}

func dated(from, to time.Time) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = from, to }
}

// An issuer that constrains names is held to it, by whatever number of names.
func TestNameConstraints(t *testing.T) {
	in := newInstance(t, "example.com")
	for name, c := range map[string]struct {
		constrain func(*x509.Certificate)
		who       string
		uri       bool
		want      outcome
	}{
		"mailboxes of the domain":    {func(c *x509.Certificate) { c.PermittedEmailAddresses = []string{"example.com"} }, "alice@example.com", false, accepted},
		"mailboxes of another":       {func(c *x509.Certificate) { c.PermittedEmailAddresses = []string{"example.net"} }, "alice@example.com", false, noChain},
		"this mailbox is excluded":   {func(c *x509.Certificate) { c.ExcludedEmailAddresses = []string{"alice@example.com"} }, "alice@example.com", false, noChain},
		"another mailbox is":         {func(c *x509.Certificate) { c.ExcludedEmailAddresses = []string{"bob@example.com"} }, "alice@example.com", false, accepted},
		"URIs of the domain":         {func(c *x509.Certificate) { c.PermittedURIDomains = []string{"example.com"} }, "https://example.com/a", true, accepted},
		"URIs of another":            {func(c *x509.Certificate) { c.PermittedURIDomains = []string{"example.net"} }, "https://example.com/a", true, noChain},
		"10,000 other mailboxes":     {func(c *x509.Certificate) { c.PermittedEmailAddresses = others(10_000) }, "alice@example.com", false, noChain},
		"10,000 excluded mailboxes":  {func(c *x509.Certificate) { c.ExcludedEmailAddresses = others(10_000) }, "alice@example.com", false, accepted},
		"hosts, which alice is none": {func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"example.net"} }, "alice@example.com", false, accepted},
	} {
		t.Run(name, func(t *testing.T) {
			template := caTemplate("constrained")
			template.PermittedDNSDomainsCritical = true
			c.constrain(template)
			ca := issue(t, template, fixedKey(t, "constrained"), &in.ca)
			v := in.rooted(t, func(r *trust.Root) { r.CertificateAuthorities[0].Chain = []*x509.Certificate{ca.cert, in.ca.cert} })
			who := identity.Identity{Issuer: alice.Issuer, Subject: identity.Subject{Type: identity.Email, Value: c.who}}
			if c.uri {
				who.Subject.Type = identity.URI
			}
			b := in.sign(t, artifact, order{ca: &ca, who: who})
			_, err := v.Verify(b, fromBytes(artifact), verify.Policy{Identities: []identity.Matcher{identity.Exactly(c.who, alice.Issuer)}})
			c.want.check(t, err)
		})
	}
	// Names and constraints in numbers whose product nobody waits for.
	template := caTemplate("constrained")
	template.PermittedEmailAddresses = append(others(5_000), "example.com")
	ca := issue(t, template, fixedKey(t, "constrained"), &in.ca)
	v := in.rooted(t, func(r *trust.Root) { r.CertificateAuthorities[0].Chain = []*x509.Certificate{ca.cert, in.ca.cert} })
	der, _ := in.hostile(t, in.complete(t, order{ca: &ca}), named(t, many(900, func(i int) asn1.RawValue { return general(tagEmail, fmt.Sprintf("a%d@example.com", i)) })...))
	start := time.Now()
	_, err := v.Verify(in.loggedAs(t, der), fromBytes(artifact), trustAlice)
	if noIdentity.check(t, err); time.Since(start) > 5*time.Second {
		t.Errorf("took %v", time.Since(start))
	}
}

func others(n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("bob%d@example.com", i))
	}
	return all
}

// Lists of SCTs with too many, too long, and lengths that lie.
func TestHostileSCTLists(t *testing.T) {
	in := newInstance(t, "example.com")
	v, o := in.verifier(t), in.complete(t, order{})
	// tls is a TLS vector with a length of 16 bits; der an OCTET STRING.
	tls := func(raw []byte) []byte { return append([]byte{byte(len(raw) >> 8), byte(len(raw))}, raw...) }
	der := func(raw []byte) []byte { return must(asn1.Marshal(raw))(t) }
	for name, list := range map[string]func(one []byte) []byte{
		"17":                   func(one []byte) []byte { return der(tls(bytes.Repeat(tls(one), 17))) },
		"500":                  func(one []byte) []byte { return der(tls(bytes.Repeat(tls(one), 500))) },
		"10,000":               func(one []byte) []byte { return der(tls(bytes.Repeat(tls(one), 10_000))) }, // beyond what the length can say
		"10,000 empty":         func(one []byte) []byte { return der(tls(bytes.Repeat([]byte{0, 0}, 10_000))) },
		"none":                 func([]byte) []byte { return der(tls(nil)) },
		"no list":              func([]byte) []byte { return der(nil) },
		"no DER":               func([]byte) []byte { return []byte{1} },
		"cut":                  func(one []byte) []byte { return der(tls(tls(one))[:20]) },
		"trailing data":        func(one []byte) []byte { return append(der(tls(tls(one))), 0) },
		"trailing in the list": func(one []byte) []byte { return der(append(tls(tls(one)), 0)) },
		"trailing in the SCT":  func(one []byte) []byte { return der(tls(tls(append(one, 0)))) },
		"of another version":   func(one []byte) []byte { return der(tls(tls(append([]byte{1}, one[1:]...)))) },
		"length in the long form": func(one []byte) []byte {
			raw := der(tls(tls(one)))
			return append([]byte{raw[0], 0x82, 0}, raw[len(raw)-len(tls(tls(one)))-1:]...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			cert := in.promised(t, o, unchanged, func(entry sct.Precert) []byte {
				return list(must(must(sct.Sign(in.ct, entry, uint64(signedAt.UnixMilli()), nil))(t).Marshal())(t))
			})
			want := noSCT
			if len(cert.Raw) > bundle.MaxChain {
				want = noShape
			}
			want.judge(t, v, in.loggedAs(t, cert.Raw), trustAlice)
		})
	}
	// Times that no clock shows.
	for _, at := range []uint64{0, math.MaxInt64 + 1, math.MaxUint64} {
		cert := in.promised(t, o, unchanged, func(entry sct.Precert) []byte {
			return must(sct.MarshalList([]sct.SCT{must(sct.Sign(in.ct, entry, at, nil))(t)}))(t)
		})
		outcome{verify.StepSCT, verify.SCTMissing}.judge(t, v, in.loggedAs(t, cert.Raw), trustAlice)
	}
}

// spelled are other encodings of a DER element, as BER allows them.
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
		"in itself":             must(asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: der}))(t),
		"nested":                bytes.Repeat([]byte{0x30, 0x80}, 10_000),
		"empty":                 {0x30, 0},
	}
}

// What BER allows and DER does not is refused wherever it stands: in the
// certificate, in the timestamp, in the signature that was logged, and in the
// log's promise.
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

// padded is an ECDSA signature whose first integer has a zero too many.
func padded(der []byte) []byte {
	body := append([]byte{2, der[3] + 1, 0}, der[4:]...)
	return append([]byte{0x30, byte(len(body))}, body...)
}

// Bundles that were put together by hand are held to the numbers as well, before
// anything is made of the parts.
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
		if noShape.check(t, err); time.Since(start) > time.Second {
			t.Errorf("%s: took %v", name, time.Since(start))
		}
	}
	// As many as are allowed.
	full := *good
	full.Entries, full.Timestamps = slices.Repeat(good.Entries, bundle.MaxEntries), slices.Repeat(good.Timestamps, bundle.MaxTimestamps)
	accepted.judge(t, v, &full, trustAlice)
	policy := trustAlice
	policy.LogThreshold = 2
	outcome{verify.StepLog, verify.ThresholdLogs}.judge(t, v, &full, policy)
}

// Indices, sizes and times at the ends of their types: refused when they are
// read, or when they are verified, and never a panic.
func TestHostileNumbers(t *testing.T) {
	in := newInstance(t, "example.com")
	v := in.verifier(t)
	good := in.sign(t, artifact, order{})
	raw := string(must(good.Marshal())(t))
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
			if member == "integratedTime" && value == `"1e3"` { // protobuf's way to write 1000, which nobody asks for here
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

// headed gives the entry a checkpoint of a tree of this size, which holds it as
// its last leaf, or says so.
func (l *logServer) headed(t testing.TB, e *rekor.Entry, size uint64) {
	t.Helper()
	e.LogIndex, e.Proof.Index, e.Proof.Size = size-1, size-1, size
	head := checkpoint.Checkpoint{Origin: l.origin, Size: size, Root: e.Proof.Root}
	if size <= math.MaxInt64 {
		e.Proof.Checkpoint = must(checkpoint.Sign(head, must(checkpoint.NewSigner(l.origin, l.key))(t)))(t)
	}
}

// Times at the ends of the calendar, of whoever says them.
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
	// Text that looks like a time.
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

// JSON inside of what was logged and signed: bodies and statements with members
// twice, unknown, deep and large.
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

// Large parts where large parts may be.
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
		"promise": {func(b *bundle.Bundle) { b.Entries[0].SignedEntryTimestamp = make([]byte, 10<<20) }, accepted}, // nobody asks Rekor v2 for one
	} {
		t.Run(name, func(t *testing.T) {
			b := in.sign(t, artifact, order{})
			c.spoil(b)
			c.want.judge(t, v, b, trustAlice)
		})
	}
}
