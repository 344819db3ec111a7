// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/sct"
)

// An oddCertificate is a named change to a certificate's template.
type oddCertificate struct {
	name   string
	change func(*x509.Certificate)
}

// oddIssuers returns changes of certificates between root and leaf.
func oddIssuers() []oddCertificate {
	return []oddCertificate{
		{"plain", func(*x509.Certificate) {}},
		{"past", func(*x509.Certificate) {}}, // its window in the trusted root has ended
		{"codesigning", func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{usage(false, oidCodeSigning)} }},
		{"timestamping", func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{usage(false, oidTimeStamping)} }},
		{"anyusage", func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{usage(false, oidAnyUsage)} }},
		{"nopath", func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true }},
		{"nosigning", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }},
		{"noca", func(c *x509.Certificate) { c.IsCA = false }},
		{"expired", func(c *x509.Certificate) { c.NotAfter = forgedAt.Add(-time.Second) }},
		{"permitted", func(c *x509.Certificate) {
			c.PermittedEmailAddresses = []string{"example.com"}
			c.PermittedDNSDomainsCritical = true
		}},
		{"excluded", func(c *x509.Certificate) {
			c.ExcludedEmailAddresses = []string{"example.com"}
			c.PermittedDNSDomainsCritical = true
		}},
		{"elsewhere", func(c *x509.Certificate) {
			c.PermittedURIDomains = []string{"example.org"}
			c.PermittedDNSDomainsCritical = true
		}},
		{"critical", func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{unknownCritical()} }},
	}
}

// oddStampers returns changes of certificates of timestamp authorities.
func oddStampers() []oddCertificate {
	return []oddCertificate{
		{"plain", func(*x509.Certificate) {}},
		{"second", func(*x509.Certificate) {}},
		{"sibling", func(*x509.Certificate) {}}, // not in the trusted root
		{"uncritical", func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{usage(false, oidTimeStamping)} }},
		{"twousages", func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{usage(true, oidTimeStamping, oidCodeSigning)}
		}},
		{"codesigning", func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{usage(true, oidCodeSigning)} }},
		{"ca", func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }},
		{"expired", func(c *x509.Certificate) { c.NotAfter = forgedAt.Add(-time.Second) }},
		{"nousage", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }},
	}
}

func unknownCritical() pkix.Extension {
	return pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 99, 1}, Critical: true, Value: []byte{5, 0}}
}

// A twist is an oddity that all authorities and logs sign.
type twist struct {
	name  string
	apply func(*forgery)
}

func twists() []twist {
	return slices.Concat(subjectTwists(), certificateTwists(), chainTwists(), sctTwists(), logTwists(), noteTwists(), timeTwists(), contentTwists())
}

// san replaces the subject alternative name by GeneralNames of these elements.
func (o *forgery) san(critical bool, names ...asn1.RawValue) {
	value := must(asn1.Marshal(names))
	o.cert.ExtraExtensions[0] = pkix.Extension{Id: oidSAN, Critical: critical, Value: value}
}

func email(s string) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 1, Bytes: []byte(s)}
}

func uri(s string) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 6, Bytes: []byte(s)}
}

func dns(s string) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte(s)}
}

func ip(b ...byte) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 7, Bytes: b}
}

// username returns the otherName in which Fulcio stores usernames.
func username(s string) asn1.RawValue {
	text := must(asn1.MarshalWithParams(s, "utf8"))
	explicit := must(asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: text}))
	id := must(asn1.Marshal(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 7}))
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: slices.Concat(id, explicit)}
}

func subjectTwists() []twist {
	who := forgedIdentity
	return []twist{
		{"two emails, ours first", func(o *forgery) { o.san(true, email(who), email("mallory@example.com")) }},
		{"two emails, ours last", func(o *forgery) { o.san(true, email("mallory@example.com"), email(who)) }},
		{"email and URI", func(o *forgery) { o.san(true, email(who), uri("https://example.com/x")) }},
		{"URI and email", func(o *forgery) { o.san(true, uri("https://example.com/x"), email(who)) }},
		{"email and username", func(o *forgery) { o.san(true, email(who), username("mallory!example.com")) }},
		{"username that is the email", func(o *forgery) { o.san(true, username(who)) }},
		{"username beside an email", func(o *forgery) { o.san(true, username(who), email("mallory@example.com")) }},
		{"URI that is the email", func(o *forgery) { o.san(true, uri(who)) }},
		{"DNS name that is the email", func(o *forgery) { o.san(true, dns(who)) }},
		{"email and DNS name", func(o *forgery) { o.san(true, email(who), dns("example.com")) }},
		{"email and IP address", func(o *forgery) { o.san(true, email(who), ip(127, 0, 0, 1)) }},
		{"IP address of odd length", func(o *forgery) { o.san(true, email(who), ip(1, 2, 3)) }},
		{"email not critical", func(o *forgery) { o.san(false, email(who)) }},
		{"null byte in email", func(o *forgery) { o.san(true, email(who+"\x00.example.org")) }},
		{"null byte before email", func(o *forgery) { o.san(true, email("\x00"+who)) }},
		{"newline after email", func(o *forgery) { o.san(true, email(who+"\n")) }},
		{"homoglyph in email", func(o *forgery) { o.san(true, email(strings.Replace(who, "a", "\u0430", 1))) }},
		{"other case of email", func(o *forgery) { o.san(true, email("Alice@example.com")) }},
		{"empty email", func(o *forgery) { o.san(true, email("")) }},
		{"no names", func(o *forgery) { o.san(true) }},
		{"no subject alternative name", func(o *forgery) { o.cert.ExtraExtensions = o.cert.ExtraExtensions[1:] }},
		{"two subject alternative names", func(o *forgery) {
			o.cert.ExtraExtensions = append(o.cert.ExtraExtensions, o.cert.ExtraExtensions[0])
		}},
		{"trailing bytes after the names", func(o *forgery) { o.extend(0, []byte{5, 0}) }},
		{"email in the subject alone", func(o *forgery) {
			o.cert.Subject = pkix.Name{CommonName: who}
			o.san(true, email("mallory@example.com"))
		}},
		{"subject beside the names", func(o *forgery) { o.cert.Subject = pkix.Name{CommonName: "mallory@example.com"} }},
		{"issuer in .1 alone", func(o *forgery) { o.drop(1, 8) }},
		{"issuer in .8 alone", func(o *forgery) { o.drop(1, 1) }},
		{"no issuer", func(o *forgery) { o.drop(1, 1); o.drop(1, 8) }},
		{"another issuer in .1", func(o *forgery) { o.replace([]byte("https://evil.example.com"), 1, 1) }},
		{"another issuer in .8", func(o *forgery) {
			o.replace(must(asn1.MarshalWithParams("https://evil.example.com", "utf8")), 1, 8)
		}},
		{"issuer in .8 raw", func(o *forgery) { o.replace([]byte(forgedIssuer), 1, 8) }},
		{"issuer in .8 printable", func(o *forgery) { o.replace(must(asn1.MarshalWithParams("https://login", "printable")), 1, 8) }},
		{"issuer in .8 as IA5String", func(o *forgery) { o.replace(must(asn1.MarshalWithParams(forgedIssuer, "ia5")), 1, 8) }},
		{"issuer in .8 with trailing bytes", func(o *forgery) {
			o.replace(append(must(asn1.MarshalWithParams(forgedIssuer, "utf8")), 0), 1, 8)
		}},
		{"issuer in .1 with null byte", func(o *forgery) { o.replace([]byte(forgedIssuer+"\x00"), 1, 1) }},
		{"two issuers in .8", func(o *forgery) {
			ext := pkix.Extension{Id: fulcioOID(1, 8), Value: must(asn1.MarshalWithParams("https://evil.example.com", "utf8"))}
			o.cert.ExtraExtensions = append(o.cert.ExtraExtensions, ext)
		}},
		{"broken build extension", func(o *forgery) {
			o.cert.ExtraExtensions = append(o.cert.ExtraExtensions, pkix.Extension{Id: fulcioOID(1, 9), Value: []byte("raw")})
		}},
		{"build extension of another string type", func(o *forgery) {
			o.cert.ExtraExtensions = append(o.cert.ExtraExtensions, pkix.Extension{Id: fulcioOID(1, 12), Value: must(asn1.MarshalWithParams("https", "printable"))})
		}},
		{"build extension with control character", func(o *forgery) {
			o.cert.ExtraExtensions = append(o.cert.ExtraExtensions, pkix.Extension{Id: fulcioOID(1, 12), Value: must(asn1.MarshalWithParams("https://\n", "utf8"))})
		}},
		{"empty build extension", func(o *forgery) {
			o.cert.ExtraExtensions = append(o.cert.ExtraExtensions, pkix.Extension{Id: fulcioOID(1, 12), Value: []byte{12, 0}})
		}},
		{"unknown Fulcio extension", func(o *forgery) {
			o.cert.ExtraExtensions = append(o.cert.ExtraExtensions, pkix.Extension{Id: fulcioOID(1, 77), Value: []byte("raw")})
		}},
		{"another person", func(o *forgery) { o.san(true, email("bob@example.com")) }},
	}
}

func fulcioOID(arcs ...int) asn1.ObjectIdentifier {
	return append(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264}, arcs...)
}

// extend adds bytes to the value of an extension.
func (o *forgery) extend(i int, more []byte) {
	ext := &o.cert.ExtraExtensions[i]
	ext.Value = append(bytes.Clone(ext.Value), more...)
}

func (o *forgery) drop(arcs ...int) {
	o.cert.ExtraExtensions = slices.DeleteFunc(o.cert.ExtraExtensions, func(e pkix.Extension) bool { return e.Id.Equal(fulcioOID(arcs...)) })
}

func (o *forgery) replace(value []byte, arcs ...int) {
	for i := range o.cert.ExtraExtensions {
		if o.cert.ExtraExtensions[i].Id.Equal(fulcioOID(arcs...)) {
			o.cert.ExtraExtensions[i].Value = value
		}
	}
}

// usages replaces the extended key usage.
func (o *forgery) usages(exts ...pkix.Extension) {
	o.cert.ExtraExtensions = slices.DeleteFunc(o.cert.ExtraExtensions, func(e pkix.Extension) bool { return e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 37}) })
	o.cert.ExtraExtensions = append(o.cert.ExtraExtensions, exts...)
}

func certificateTwists() []twist {
	return []twist{
		{"no extended key usage", func(o *forgery) { o.usages() }},
		{"another extended key usage", func(o *forgery) { o.usages(usage(false, oidServerAuth)) }},
		{"two extended key usages", func(o *forgery) { o.usages(usage(false, oidCodeSigning, oidServerAuth)) }},
		{"any extended key usage", func(o *forgery) { o.usages(usage(false, oidAnyUsage)) }},
		{"critical extended key usage", func(o *forgery) { o.usages(usage(true, oidCodeSigning)) }},
		{"no key usage", func(o *forgery) { o.cert.KeyUsage = 0 }},
		{"another key usage", func(o *forgery) { o.cert.KeyUsage = x509.KeyUsageKeyEncipherment }},
		{"key usage for certificates", func(o *forgery) { o.cert.KeyUsage = x509.KeyUsageCertSign }},
		{"a leaf that is an authority", func(o *forgery) { o.cert.IsCA, o.cert.BasicConstraintsValid = true, true }},
		{"unknown critical extension", func(o *forgery) { o.cert.ExtraExtensions = append(o.cert.ExtraExtensions, unknownCritical()) }},
		{"unknown extension", func(o *forgery) {
			ext := unknownCritical()
			ext.Critical = false
			o.cert.ExtraExtensions = append(o.cert.ExtraExtensions, ext)
		}},
		{"poison", func(o *forgery) {
			o.cert.ExtraExtensions = append(o.cert.ExtraExtensions, pkix.Extension{Id: sct.OIDPoison(), Critical: true, Value: []byte{5, 0}})
		}},
		{"certificate ends at the time", func(o *forgery) { o.cert.NotAfter = forgedAt }},
		{"certificate begins at the time", func(o *forgery) { o.cert.NotBefore = forgedAt }},
		{"certificate ends before", func(o *forgery) { o.cert.NotAfter = forgedAt.Add(-time.Second) }},
		{"certificate begins after", func(o *forgery) { o.cert.NotBefore = forgedAt.Add(time.Second) }},
		{"certificate ends before it begins", func(o *forgery) { o.cert.NotBefore, o.cert.NotAfter = o.cert.NotAfter, o.cert.NotBefore }},
		{"serial number of one", func(o *forgery) { o.cert.SerialNumber = big.NewInt(1) }},
		{"long serial number", func(o *forgery) { o.cert.SerialNumber = new(big.Int).Lsh(big.NewInt(1), 158) }},
		{"revocation points", func(o *forgery) {
			o.cert.CRLDistributionPoints, o.cert.OCSPServer = []string{"http://crl.example.com"}, []string{"http://ocsp.example.com"}
		}},
		{"policies", func(o *forgery) { o.cert.PolicyIdentifiers = []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 57264, 9}} }},
	}
}

func chainTwists() []twist {
	all := []twist{
		{"issued by the root", func(o *forgery) { o.issuer = o.root }},
		{"issued by itself", func(o *forgery) { o.issuer = issued{o.cert, steadyKey("signer")} }},
		{"issued by a namesake", func(o *forgery) {
			o.issuer = issue(authorityTemplate("forge intermediate plain"), steadyKey("namesake"), &o.root)
			o.chain = [][]byte{o.issuer.cert.Raw}
		}},
		{"issued by a stranger", func(o *forgery) {
			stranger := issue(authorityTemplate("stranger"), steadyKey("stranger"), nil)
			o.issuer, o.chain = stranger, [][]byte{stranger.cert.Raw}
		}},
		{"root in the chain", func(o *forgery) { o.old(); o.chain = [][]byte{o.issuer.cert.Raw, o.root.cert.Raw} }},
		{"rubbish in the chain", func(o *forgery) { o.old(); o.chain = [][]byte{[]byte("rubbish")} }},
		{"intermediate in the chain", func(o *forgery) { o.old(); o.chain = [][]byte{o.issuer.cert.Raw} }},
		{"untrusted intermediate in the chain", func(o *forgery) { o.old(); o.below(o.issuers["plain"]) }},
		{"intermediate below one that allows none", func(o *forgery) { o.old(); o.below(o.issuers["nopath"]) }},
	}
	for _, odd := range oddIssuers() {
		all = append(all, twist{"issuer " + odd.name, func(o *forgery) { o.issuer = o.issuers[odd.name] }})
	}
	return all
}

// old sets a version that has chains.
func (o *forgery) old() { o.mediaType = "application/vnd.dev.sigstore.bundle+json;version=0.2" }

// below makes an intermediate that is only in the bundle issue the leaf.
func (o *forgery) below(above issued) {
	o.issuer = issue(authorityTemplate("below"), steadyKey("below"), &above)
	o.chain = [][]byte{o.issuer.cert.Raw}
}

func sctTwists() []twist {
	change := func(name string, f func(*sct.SCT)) twist {
		return twist{"SCT " + name, func(o *forgery) {
			if len(o.scts) > 0 {
				o.scts[0].change = f
			}
		}}
	}
	return []twist{
		{"no SCT", func(o *forgery) { o.scts = nil }},
		{"SCT twice", func(o *forgery) { o.scts = append(o.scts, o.scts...) }},
		{"SCT of a stranger", func(o *forgery) { o.scts = []sctOrder{{key: steadyKey("stranger"), at: forgedAt}} }},
		{"SCT of a stranger beside", func(o *forgery) {
			o.scts = append([]sctOrder{{key: steadyKey("stranger"), at: forgedAt}}, o.scts...)
		}},
		{"wrong SCT beside", func(o *forgery) {
			wrong := sctOrder{key: o.ct, at: forgedAt.Add(time.Second), change: func(s *sct.SCT) { s.Signature[len(s.Signature)-1] ^= 1 }}
			o.scts = append([]sctOrder{wrong}, o.scts...)
		}},
		{"wrong SCT after", func(o *forgery) {
			wrong := sctOrder{key: o.ct, at: forgedAt.Add(time.Second), change: func(s *sct.SCT) { s.Signature[len(s.Signature)-1] ^= 1 }}
			o.scts = append(o.scts, wrong)
		}},
		{"SCT before the log", func(o *forgery) { o.scts = []sctOrder{{key: o.ct, at: forgedAt.AddDate(-1, 0, 0)}} }},
		{"SCT in the future", func(o *forgery) { o.scts = []sctOrder{{key: o.ct, at: forgedAt.AddDate(100, 0, 0)}} }},
		{"SCT with extensions", func(o *forgery) {
			o.scts = []sctOrder{{key: o.ct, at: forgedAt, extensions: []byte{0, 0, 5, 0, 0, 0, 0, 3}}}
		}},
		{"SCT with odd extensions", func(o *forgery) { o.scts = []sctOrder{{key: o.ct, at: forgedAt, extensions: []byte{1}}} }},
		change("with another hash", func(s *sct.SCT) { s.HashAlgorithm = 6 }),
		change("with another algorithm", func(s *sct.SCT) { s.SignatureAlgorithm = 1 }),
		change("with another time", func(s *sct.SCT) { s.Timestamp++ }),
		change("with a longer signature", func(s *sct.SCT) { s.Signature = append(s.Signature, 0) }),
		{"SCT list with trailing bytes", func(o *forgery) { o.sctList = func(b []byte) []byte { return append(b, 0) } }},
		{"SCT list truncated", func(o *forgery) { o.sctList = func(b []byte) []byte { return b[:len(b)-1] } }},
		{"SCT list empty", func(o *forgery) { o.sctList = func([]byte) []byte { return []byte{4, 2, 0, 0} } }},
		{"SCT list raw", func(o *forgery) { o.sctList = func(b []byte) []byte { return b[2:] } }},
		{"SCT list critical", func(o *forgery) {
			o.cert.ExtraExtensions = append(o.cert.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 4}, Critical: true, Value: []byte{5, 0}})
		}},
		{"SCT list changed", func(o *forgery) { o.sctList = func(b []byte) []byte { _, b = changeDER(o.r, b); return b } }},
	}
}

func (o *forgery) entry() *entryOrder {
	if len(o.entries) == 0 {
		o.entries = []entryOrder{{log: o.logs[0], index: -1, leaves: 1, head: checkpoint.Checkpoint{Origin: o.logs[0].origin}}}
	}
	return &o.entries[0]
}

func logTwists() []twist {
	return []twist{
		{"no entry", func(o *forgery) { o.entries = nil }},
		{"entry twice", func(o *forgery) { o.entries = append(o.entries, *o.entry()) }},
		{"entries of two logs", func(o *forgery) { o.entries = append(o.entries, o.elsewhere(1)) }},
		{"entry of an unknown log beside", func(o *forgery) { o.entries = append([]entryOrder{o.elsewhere(2)}, o.entries...) }},
		{"entry of an unknown log", func(o *forgery) { o.entries = []entryOrder{o.elsewhere(2)} }},
		{"entry of another log's key", func(o *forgery) { o.entry().log.key = o.logs[1].key }},
		{"entry of another log's ID", func(o *forgery) { o.entry().log.id = o.logs[1].id }},
		{"short log ID", func(o *forgery) { o.entry().log.id = o.entry().log.id[:4] }},
		{"log index one more", func(o *forgery) { o.entry().index += 2 }},
		{"log index as the proof's", func(o *forgery) { o.entry().index = -1 }},
		{"body changed", func(o *forgery) {
			o.body = func(b []byte) []byte { _, changed := stock{}.changeBody(o.r, must(parseNode(b))); return changed }
		}},
		{"body spelled differently", func(o *forgery) {
			o.body = func(b []byte) []byte { _, changed := respell(o.r, must(parseNode(b))); return changed }
		}},
		{"body with an unknown member", func(o *forgery) {
			o.body = func(b []byte) []byte { return bytes.Replace(b, []byte(`"spec":{`), []byte(`"spec":{"extra":1,`), 1) }
		}},
		{"body with a doubled member", func(o *forgery) {
			o.body = func(b []byte) []byte {
				return bytes.Replace(b, []byte(`"kind":"`), []byte(`"kind":"hashedrekord","kind":"`), 1)
			}
		}},
		{"body in other case", func(o *forgery) {
			o.body = func(b []byte) []byte { return bytes.Replace(b, []byte(`"content"`), []byte(`"Content"`), 1) }
		}},
		{"body's hash in upper case", func(o *forgery) {
			o.body = func(b []byte) []byte { return upperHash(b) }
		}},
		{"body of another kind", func(o *forgery) { o.kind = []string{"hashedrekord", "dsse", "intoto"}[o.r.IntN(3)] }},
		{"promise beside Rekor v2", func(o *forgery) { o.promise = true; o.entry().integrated = forgedAt }},
		{"promise alone beside Rekor v2", func(o *forgery) {
			o.promise, o.proof, o.stamps = true, false, nil
			o.entry().integrated = forgedAt
			o.mediaType = "application/vnd.dev.sigstore.bundle+json;version=0.1"
		}},
		{"no proof", func(o *forgery) { o.proof = false }},
		{"no promise", func(o *forgery) { o.promise = false }},
		{"integrated before the certificate", func(o *forgery) { o.entry().integrated = forgedAt.Add(-time.Hour) }},
		{"integrated after the certificate", func(o *forgery) { o.entry().integrated = forgedAt.Add(time.Hour) }},
		{"integrated before the log", func(o *forgery) { o.entry().integrated = forgedAt.AddDate(-1, 0, 0) }},
		{"integrated never", func(o *forgery) { o.entry().integrated = time.Time{} }},
		{"integrated before 1970", func(o *forgery) { o.entry().integrated = time.Unix(-1, 0) }},
	}
}

func upperHash(b []byte) []byte {
	at := bytes.Index(b, []byte(`"value":"`))
	if at < 0 {
		return b
	}
	at += len(`"value":"`)
	return slices.Concat(b[:at], bytes.ToUpper(b[at:at+64]), b[at+64:])
}

// elsewhere returns the first entry, in another log.
func (o *forgery) elsewhere(i int) entryOrder {
	e := *o.entry()
	e.head.Origin = strings.Replace(e.head.Origin, e.log.origin, o.logs[i].origin, 1)
	e.log = o.logs[i]
	return e
}

func noteTwists() []twist {
	head := func(name string, f func(*entryOrder)) twist {
		return twist{"checkpoint " + name, func(o *forgery) { f(o.entry()) }}
	}
	return []twist{
		head("of another origin", func(e *entryOrder) { e.head.Origin = "log2.forge.example" }),
		head("of an origin with a tree", func(e *entryOrder) { e.head.Origin = e.log.origin + " - 1193050959916656506" }),
		head("of an origin with a longer tree", func(e *entryOrder) { e.head.Origin += "x - 5" }),
		head("of the log's address", func(e *entryOrder) { e.head.Origin = "https://" + e.log.origin }),
		head("of another name on the line", func(e *entryOrder) { e.name = "log2.forge.example" }),
		head("of another name throughout", func(e *entryOrder) { e.name, e.head.Origin = "rekor-server-0", "rekor-server-0 - 7" }),
		head("of another name throughout, without tree", func(e *entryOrder) { e.name, e.head.Origin = "rekor-server-0", "rekor-server-0" }),
		head("of the log without tree", func(e *entryOrder) { e.head.Origin = e.log.origin }),
		head("with extension", func(e *entryOrder) { e.head.Extensions = []string{"Timestamp: 1700000000"} }),
		head("cosigned", func(e *entryOrder) {
			e.others = []note.Signer{must(checkpoint.NewSigner("witness.example.com", steadyKey("witness")))}
		}),
		head("cosigned under the log's name", func(e *entryOrder) {
			e.others = []note.Signer{must(checkpoint.NewSigner(e.log.origin, steadyKey("witness")))}
		}),
		head("of another root", func(e *entryOrder) { e.head.Size, e.head.Root = uint64(e.leaves), [32]byte{1} }),
		head("of another size", func(e *entryOrder) { e.leaves++ }),
		head("of a tree of one", func(e *entryOrder) { e.leaves = 1 }),
		head("of a tree of many", func(e *entryOrder) { e.leaves = 300 }),
	}
}

func timeTwists() []twist {
	first := func(name string, f func(*stampOrder)) twist {
		return twist{"timestamp " + name, func(o *forgery) {
			if len(o.stamps) == 0 {
				o.stamps = []stampOrder{{by: "plain", at: forgedAt}}
			}
			f(&o.stamps[0])
		}}
	}
	all := []twist{
		{"no timestamp", func(o *forgery) { o.stamps = nil }},
		{"timestamp of another signature beside", func(o *forgery) {
			o.stamps = append(o.stamps, stampOrder{by: "second", at: forgedAt, of: []byte("other")})
		}},
		{"two timestamps", func(o *forgery) { o.stamps = append(o.stamps, stampOrder{by: "second", at: forgedAt.Add(time.Second)}) }},
		{"two timestamps, one outside of the certificate", func(o *forgery) {
			o.stamps = append(o.stamps, stampOrder{by: "second", at: forgedAt.Add(time.Hour)})
		}},
		{"two timestamps, the first outside of the certificate", func(o *forgery) {
			o.stamps = append([]stampOrder{{by: "second", at: forgedAt.Add(time.Hour)}}, o.stamps...)
		}},
		{"two timestamps of one authority, the last outside", func(o *forgery) {
			o.stamps = []stampOrder{{by: "plain", at: forgedAt}, {by: "plain", at: forgedAt.Add(time.Hour)}}
		}},
		{"two timestamps, one before its authority", func(o *forgery) {
			o.stamps = append(o.stamps, stampOrder{by: "second", at: forgedAt.AddDate(0, -2, 0)})
		}},
		{"timestamp twice", func(o *forgery) { o.stamps = append(o.stamps, o.stamps...) }},
		first("embedded", func(s *stampOrder) { s.embed = true }),
		first("of another signature", func(s *stampOrder) { s.of = []byte("other") }),
		first("by SHA-384", func(s *stampOrder) { s.hash = crypto.SHA384 }),
		first("by SHA-512", func(s *stampOrder) { s.hash = crypto.SHA512 }),
		first("before the authority", func(s *stampOrder) { s.at = forgedAt.AddDate(0, -2, 0) }),
		first("after the authority", func(s *stampOrder) { s.at = forgedAt.AddDate(2, 0, 0) }),
		first("at the certificate's end", func(s *stampOrder) { s.at = forgedAt.Add(9 * time.Minute) }),
		first("after the certificate's end", func(s *stampOrder) { s.at = forgedAt.Add(9*time.Minute + time.Second) }),
	}
	for _, odd := range oddStampers() {
		all = append(all, twist{"timestamp by " + odd.name, func(o *forgery) {
			o.stamps = []stampOrder{{by: odd.name, at: forgedAt, embed: o.r.IntN(2) == 0}}
		}})
	}
	return all
}

func contentTwists() []twist {
	payload := func(name string, f func(artifact []byte) []byte) twist {
		return twist{"statement " + name, func(o *forgery) {
			if o.payload != nil {
				o.payload = f(o.artifact)
			}
		}}
	}
	statement := func(format string) func([]byte) []byte {
		return func(artifact []byte) []byte {
			sum := crypto.SHA256.New()
			sum.Write(artifact)
			return []byte(strings.ReplaceAll(format, "SUM", fmt.Sprintf("%x", sum.Sum(nil))))
		}
	}
	const head = `{"_type":"https://in-toto.io/Statement/v1",`
	return []twist{
		{"another payload type", func(o *forgery) { o.payloadOf = "text/plain" }},
		{"no message digest", func(o *forgery) { o.hashes = 0 }},
		{"message digest by SHA-384", func(o *forgery) { o.hashes = crypto.SHA384 }},
		{"message digest by SHA-512", func(o *forgery) { o.hashes = crypto.SHA512 }},
		{"signature changed", func(o *forgery) { o.signature = func(s []byte) []byte { _, s = changeDER(o.r, s); return orOne(s) } }},
		{"signature's other half", func(o *forgery) { o.signature = otherHalf }},
		payload("of v0.1", statement(`{"_type":"https://in-toto.io/Statement/v0.1","subject":[{"name":"a","digest":{"sha256":"SUM"}}],"predicateType":"p","predicate":{}}`)),
		payload("of another type", statement(`{"_type":"https://example.com","subject":[{"name":"a","digest":{"sha256":"SUM"}}],"predicateType":"p","predicate":{}}`)),
		payload("without type", statement(`{"subject":[{"name":"a","digest":{"sha256":"SUM"}}],"predicateType":"p","predicate":{}}`)),
		payload("without predicate type", statement(head+`"subject":[{"name":"a","digest":{"sha256":"SUM"}}],"predicate":{}}`)),
		payload("without predicate", statement(head+`"subject":[{"name":"a","digest":{"sha256":"SUM"}}],"predicateType":"p"}`)),
		payload("with null predicate", statement(head+`"subject":[{"name":"a","digest":{"sha256":"SUM"}}],"predicateType":"p","predicate":null}`)),
		payload("with a list for predicate", statement(head+`"subject":[{"name":"a","digest":{"sha256":"SUM"}}],"predicateType":"p","predicate":[]}`)),
		payload("without subject", statement(head+`"subject":[],"predicateType":"p","predicate":{}}`)),
		payload("of two subjects", statement(head+`"subject":[{"name":"b","digest":{"sha256":"00"}},{"name":"a","digest":{"sha256":"SUM"}}],"predicateType":"p","predicate":{}}`)),
		payload("of a subject without name", statement(head+`"subject":[{"digest":{"sha256":"SUM"}}],"predicateType":"p","predicate":{}}`)),
		payload("of a subject without digest", statement(head+`"subject":[{"name":"b"},{"name":"a","digest":{"sha256":"SUM"}}],"predicateType":"p","predicate":{}}`)),
		payload("with the digest in upper case", func(a []byte) []byte {
			return upperDigest(statement(head + `"subject":[{"name":"a","digest":{"sha256":"SUM"}}],"predicateType":"p","predicate":{}}`)(a))
		}),
		payload("with a wrong digest beside", statement(head+`"subject":[{"name":"a","digest":{"sha256":"SUM","sha512":"00"}}],"predicateType":"p","predicate":{}}`)),
		payload("with a wrong long digest beside", statement(head+`"subject":[{"name":"a","digest":{"sha256":"SUM","sha512":"`+strings.Repeat("00", 64)+`"}}],"predicateType":"p","predicate":{}}`)),
		payload("with an unknown digest beside", statement(head+`"subject":[{"name":"a","digest":{"sha256":"SUM","gitCommit":"xyz"}}],"predicateType":"p","predicate":{}}`)),
		payload("with a digest that is no hex beside", statement(head+`"subject":[{"name":"b","digest":{"sha256":"zz"}},{"name":"a","digest":{"sha256":"SUM"}}],"predicateType":"p","predicate":{}}`)),
		payload("with an unknown member", statement(head+`"extra":1,"subject":[{"name":"a","digest":{"sha256":"SUM"}}],"predicateType":"p","predicate":{}}`)),
		payload("with an unknown member in the subject", statement(head+`"subject":[{"name":"a","extra":1,"digest":{"sha256":"SUM"}}],"predicateType":"p","predicate":{}}`)),
		payload("with a doubled member", statement(head+`"subject":[{"name":"b","digest":{"sha256":"00"}}],"subject":[{"name":"a","digest":{"sha256":"SUM"}}],"predicateType":"p","predicate":{}}`)),
		payload("with a doubled member, ours first", statement(head+`"subject":[{"name":"a","digest":{"sha256":"SUM"}}],"subject":[{"name":"b","digest":{"sha256":"00"}}],"predicateType":"p","predicate":{}}`)),
		payload("with a doubled member in the predicate", statement(head+`"subject":[{"name":"a","digest":{"sha256":"SUM"}}],"predicateType":"p","predicate":{"a":1,"a":2}}`)),
		payload("in snake case", statement(head+`"subject":[{"name":"a","digest":{"sha256":"SUM"}}],"predicate_type":"p","predicate":{}}`)),
		payload("in other case", statement(head+`"Subject":[{"name":"a","digest":{"sha256":"SUM"}}],"predicateType":"p","predicate":{}}`)),
		payload("with trailing bytes", statement(head+`"subject":[{"name":"a","digest":{"sha256":"SUM"}}],"predicateType":"p","predicate":{}} {}`)),
		payload("with spaces around", statement("\n "+head+`"subject":[{"name":"a","digest":{"sha256":"SUM"}}],"predicateType":"p","predicate":{}}`+"\n")),
		payload("with a large number", statement(head+`"subject":[{"name":"a","digest":{"sha256":"SUM"}}],"predicateType":"p","predicate":{"a":1e999}}`)),
		payload("with a deep predicate", statement(head+`"subject":[{"name":"a","digest":{"sha256":"SUM"}}],"predicateType":"p","predicate":{"a":`+strings.Repeat("[", 11000)+strings.Repeat("]", 11000)+`}}`)),
		payload("with invalid UTF-8", statement(head+`"subject":[{"name":"`+"\xff"+`","digest":{"sha256":"SUM"}}],"predicateType":"p","predicate":{}}`)),
		payload("with half a surrogate", statement(head+`"subject":[{"name":"a","digest":{"sha256":"SUM"}}],"predicateType":"p","predicate":{"a":"\ud800"}}`)),
		payload("of a resource descriptor", statement(head+`"subject":[{"name":"a","uri":"u","mediaType":"m","downloadLocation":"d","content":"YQ==","annotations":{"a":1},"digest":{"sha256":"SUM"}}],"predicateType":"p","predicate":{}}`)),
		payload("changed", func(a []byte) []byte {
			return statement(head + `"subject":[{"name":"a","digest":{"sha256":"SUM"}}],"predicateType":"p","predicate":{}}`)(a)
		}),
	}
}

func orOne(s []byte) []byte {
	if len(s) == 0 {
		return []byte{0}
	}
	return s
}

func upperDigest(b []byte) []byte {
	at := bytes.Index(b, []byte(`"sha256":"`)) + len(`"sha256":"`)
	return slices.Concat(b[:at], bytes.ToUpper(b[at:at+64]), b[at+64:])
}

// otherHalf returns the other valid signature that follows from an ECDSA signature: r and n-s.
func otherHalf(signature []byte) []byte {
	var v struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(signature, &v); err != nil {
		return signature
	}
	v.S.Sub(elliptic.P256().Params().N, v.S)
	return must(asn1.Marshal(v))
}
