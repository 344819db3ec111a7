// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	bundlepb "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	rekorpb "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"golang.org/x/mod/sumdb/note"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/wire/dsse"
	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/sct"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// What explanations look at: the mutant itself, taken apart without the help of
// either judge.

// bundle returns the mutant's message from protobuf's decoder, or an empty one if it can't be
// decoded.
func (d disagreement) bundle() *bundlepb.Bundle {
	var pb bundlepb.Bundle
	if protojson.Unmarshal(d.raw, &pb) != nil {
		return &bundlepb.Bundle{}
	}
	return &pb
}

func (d disagreement) entries() []logged {
	var all []logged
	for _, e := range d.bundle().GetVerificationMaterial().GetTlogEntries() {
		all = append(all, logged{e})
	}
	return all
}

// anyEntry reports whether something holds of one of the entries.
func (d disagreement) anyEntry(holds func(logged) bool) bool {
	return slices.ContainsFunc(d.entries(), holds)
}

func (d disagreement) timestamps() [][]byte {
	var all [][]byte
	for _, s := range d.bundle().GetVerificationMaterial().GetTimestampVerificationData().GetRfc3161Timestamps() {
		all = append(all, s.GetSignedTimestamp())
	}
	return all
}

// certificates returns the leaf and the certificates above it, in DER.
func (d disagreement) certificates() [][]byte {
	m := d.bundle().GetVerificationMaterial()
	if m.GetCertificate() != nil {
		return [][]byte{m.GetCertificate().GetRawBytes()}
	}
	var all [][]byte
	for _, c := range m.GetX509CertificateChain().GetCertificates() {
		all = append(all, c.GetRawBytes())
	}
	return all
}

// leaf returns the leaf certificate, or nil if it is missing or can't be parsed.
func (d disagreement) leaf() *x509.Certificate {
	if certs := d.certificates(); len(certs) > 0 {
		if cert, err := x509.ParseCertificate(certs[0]); err == nil {
			return cert
		}
	}
	return nil
}

func (d disagreement) signature() []byte {
	pb := d.bundle()
	if s := pb.GetDsseEnvelope().GetSignatures(); len(s) > 0 {
		return s[0].GetSig()
	}
	return pb.GetMessageSignature().GetSignature()
}

// sources returns the number of possible sources of the signature's time.
func (d disagreement) sources() int {
	n := len(d.timestamps())
	for _, e := range d.entries() {
		if len(e.GetInclusionPromise().GetSignedEntryTimestamp()) > 0 {
			n++
		}
	}
	return n
}

// A logged is a log entry of the mutant.
type logged struct{ *rekorpb.TransparencyLogEntry }

// head returns the kind and version in the body.
func (e logged) head() (kind, version string) {
	tree, err := parseNode(e.GetCanonicalizedBody())
	if err != nil || tree.kind != 'o' {
		return "", ""
	}
	for i, key := range tree.keys {
		switch key {
		case "kind":
			kind = tree.items[i].text
		case "apiVersion":
			version = tree.items[i].text
		}
	}
	return kind, version
}

// v2 reports whether the body is of Rekor v2, as sigstore-go tells them apart.
func (e logged) v2() bool {
	return bytes.Contains(e.GetCanonicalizedBody(), []byte("hashedRekordV002")) || bytes.Contains(e.GetCanonicalizedBody(), []byte("hashed_rekord_v002"))
}

// rebuilt returns the Rekor v2 body for the bundle's signature, certificate or key, and digest.
// sigstore-go looks for it in the tree instead of the body in the bundle.
func (d disagreement) rebuilt() []byte {
	verifier := rekor.Verifier{KeyDetails: sigalg.ECDSAP256SHA256}
	if d.of.key != nil {
		verifier.PublicKey, _ = x509.MarshalPKIXPublicKey(d.of.key)
	} else if leaf := d.leaf(); leaf != nil {
		verifier.Certificate = leaf.Raw
	}
	pb := d.bundle()
	digest := pb.GetMessageSignature().GetMessageDigest().GetDigest()
	if envelope := pb.GetDsseEnvelope(); envelope != nil {
		algorithm, err := sigalg.ByName(sigalg.ECDSAP256SHA256)
		if err != nil {
			return nil
		}
		if digest, err = algorithm.Digest(dsse.PAE(envelope.GetPayloadType(), envelope.GetPayload())); err != nil {
			return nil
		}
	}
	body, err := rekor.HashedRekord{Digest: digest, Signature: d.signature(), Verifier: verifier}.Body()
	if err != nil {
		return nil
	}
	return body
}

// note takes a checkpoint apart; ok is false for what is no signed note.
func (e logged) note() (lines []string, signatures []string, ok bool) {
	envelope := e.GetInclusionProof().GetCheckpoint().GetEnvelope()
	text, rest, found := strings.Cut(envelope, "\n\n")
	return strings.Split(text, "\n"), strings.Split(strings.TrimSuffix(rest, "\n"), "\n"), found
}

// malformedNote reports whether x/mod's reader of signed notes refuses the form.
func (e logged) malformedNote() bool {
	_, err := note.Open([]byte(e.GetInclusionProof().GetCheckpoint().GetEnvelope()), note.VerifierList())
	_, unverified := err.(*note.UnverifiedNoteError)
	return !unverified
}

var treeSuffix = regexp.MustCompile(`.* - [0-9]+$`)

// withTree reports whether the checkpoint's origin ends in a number, as Rekor v1's do.
func (e logged) withTree() bool {
	lines, _, _ := e.note()
	return treeSuffix.MatchString(lines[0])
}

// asV2 reports whether sigstore-go verifies the entry in the way of Rekor v2: where
// the checkpoint's origin has no tree, whatever the body is.
func (e logged) asV2() bool { return e.v2() || !e.withTree() }

// contradicts reports whether what the proof says of the tree is not what the
// checkpoint says, or the two indexes of Rekor v2 differ.
func (e logged) contradicts() bool {
	lines, _, _ := e.note()
	proof := e.GetInclusionProof()
	return proof.GetLogIndex() != e.GetLogIndex() || len(lines) < 3 ||
		lines[1] != strconv.FormatInt(proof.GetTreeSize(), 10) || lines[2] != base64.StdEncoding.EncodeToString(proof.GetRootHash())
}

// otherSigners reports whether a signature line is of another name or key than
// the first one's log, or repeats one.
func (e logged) otherSigners() bool {
	_, signatures, _ := e.note()
	return len(signatures) > 1
}

// forms lists the bodies of Rekor v1, as its own code writes them.
var forms = map[string]string{
	"hashedrekord": `{"apiVersion":"","kind":"","spec":{"data":{"hash":{"algorithm":"","value":""}},"signature":{"content":"","publicKey":{"content":""}}}}`,
	"dsse": `{"apiVersion":"","kind":"","spec":{"envelopeHash":{"algorithm":"","value":""},"payloadHash":{"algorithm":"","value":""},` +
		`"signatures":[{"signature":"","verifier":""}]}}`,
	"intoto": `{"apiVersion":"","kind":"","spec":{"content":{"envelope":{"payload":"","payloadType":"","signatures":[{"keyid":"","publicKey":"","sig":""}]},` +
		`"hash":{"algorithm":"","value":""},"payloadHash":{"algorithm":"","value":""}}}}`,
}

// oddBody reports whether a body of Rekor v1 is not of its form: doubled, unknown
// or missing members, other types, names in other case, more after it.
func (e logged) oddBody() bool {
	tree, err := parseNode(e.GetCanonicalizedBody())
	if err != nil || !utf8.Valid(e.GetCanonicalizedBody()) {
		return true
	}
	kind, _ := e.head()
	form, err := parseNode([]byte(forms[kind]))
	return err != nil || !tree.fits(form) || slices.ContainsFunc(tree.places(""), oddValue)
}

// oddValue reports whether a hash has no known algorithm or is no hex of its
// length, or a key is not one block of PEM.
func oddValue(p place) bool {
	n := p.node()
	switch {
	case p.name() == "algorithm":
		return !slices.Contains([]string{"sha256", "sha384", "sha512"}, n.text)
	case p.name() == "value":
		value, err := hex.DecodeString(n.text)
		i := slices.Index(p.parent.keys, "algorithm")
		return err != nil || i < 0 || len(value) != map[string]int{"sha256": 32, "sha384": 48, "sha512": 64}[p.parent.items[i].text]
	case n.kind != 's':
	case p.name() == "verifier" || p.name() == "publicKey" || strings.HasSuffix(p.path, "publicKey.content"):
		block, rest := pem.Decode(strictBase64(n.text))
		return block == nil || len(bytes.TrimSpace(rest)) > 0
	case p.name() == "content" || p.name() == "signature" || p.name() == "sig":
		return strictBase64(n.text) == nil
	}
	return false
}

// fits reports whether all that is in n is in form, once and of the same type, and
// the other way round; some members an envelope need not have.
func (n *node) fits(form *node) bool {
	if n.kind != form.kind {
		return false
	}
	for _, key := range form.keys {
		if !slices.Contains(n.keys, key) && !slices.Contains([]string{"payload", "keyid"}, key) {
			return false
		}
	}
	for i, item := range n.items {
		at := 0
		if n.kind == 'o' {
			if at = slices.Index(form.keys, n.keys[i]); at < 0 || slices.Contains(n.keys[:i], n.keys[i]) {
				return false
			}
		}
		if !item.fits(form.items[at]) {
			return false
		}
	}
	return true
}

// strictBase64 decodes canonical base64, and returns nil for anything else.
func strictBase64(s string) []byte {
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil || base64.StdEncoding.EncodeToString(raw) != s {
		return nil
	}
	return raw
}

// signatures returns the number of signatures in the body.
func (e logged) signatures() (found int) {
	tree, err := parseNode(e.GetCanonicalizedBody())
	if err != nil {
		return 0
	}
	for _, p := range tree.places("") {
		if strings.HasSuffix(p.path, "signatures[]") {
			found++
		}
	}
	return found
}

// isDER reports whether every length is as short as it can be and definite, and
// every constructed element made of whole ones.
func isDER(raw []byte) bool {
	all, ok := parseTLV(raw, 0)
	return ok && len(all) == 1 && bytes.Equal(encodeTLV(all), raw) &&
		!slices.ContainsFunc(every(all), func(e *tlv) bool { return e.tag&0x20 != 0 && len(e.body) > 0 && e.items == nil })
}

// The object identifier of time-stamp info, with its tag (RFC 3161 §2.4.2): in
// a token it says what the content is, and so does a signed attribute.
const stampInfoID = "\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x04"

// token takes a time-stamp response apart as far as SignedData's elements.
func token(raw []byte) []*tlv {
	all, _ := parseTLV(raw, 0)
	return signedData(all)
}

// signedData finds TimeStampResp, ContentInfo, [0], SignedData.
func signedData(all []*tlv) []*tlv {
	e := &tlv{items: all}
	for _, at := range []int{0, 1, 1, 0} {
		if len(e.items) <= at {
			return nil
		}
		e = e.items[at]
	}
	return e.items
}

// oddToken reports whether an element is missing or too many in a response that
// RFC 3161 §2.4.2 and RFC 5652 §5.1 describe.
func oddToken(raw []byte) bool {
	all, _ := parseTLV(raw, 0)
	if len(all) != 1 || len(all[0].items) != 2 || len(all[0].items[1].items) != 2 || len(all[0].items[1].items[1].items) != 1 {
		return true
	}
	status, parts := all[0].items[0].items, token(raw)
	if len(parts) == 5 && parts[3].tag != 0xa0 {
		return true
	}
	if len(status) != 1 || status[0].tag != 0x02 || !bytes.Equal(status[0].body, []byte{0}) || len(parts) < 4 || len(parts) > 5 {
		return true
	}
	hashes, content, signers := parts[1], parts[2], parts[len(parts)-1]
	return parts[0].tag != 0x02 || !bytes.Equal(parts[0].body, []byte{3}) || hashes.tag != 0x31 || len(hashes.items) != 1 || hashes.items[0].tag != 0x30 || !slices.ContainsFunc([]byte{1, 2, 3}, hashes.items[0].sha2) ||
		content.tag != 0x30 || len(content.items) != 2 || content.items[1].tag != 0xa0 || len(content.items[1].items) != 1 || content.items[1].items[0].tag != 0x04 ||
		signers.tag != 0x31 || len(signers.items) != 1
}

// sha2 reports whether the element is the algorithm 2.16.840.1.101.3.4.2.last:
// SHA-256, -384 and -512 are 1, 2 and 3.
func (e *tlv) sha2(last byte) bool {
	return len(e.items) > 0 && bytes.Equal(e.items[0].encode(), []byte{6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, last}) &&
		(len(e.items) == 1 || len(e.items) == 2 && bytes.Equal(e.items[1].encode(), []byte{5, 0}))
}

// signer returns the token's SignerInfo, or nil if it is not found.
func signer(raw []byte) []*tlv {
	if parts := token(raw); len(parts) > 0 {
		if infos := parts[len(parts)-1].items; len(infos) > 0 {
			return infos[0].items
		}
	}
	return nil
}

// oddSigner reports whether SignerInfo is not as RFC 5652 §5.3 has it: version 1,
// issuer and serial number, two algorithms, attributes in the order of DER.
func oddSigner(raw []byte) bool {
	parts := signer(raw)
	for i, tag := range []byte{0x02, 0x30, 0x30, 0xa0, 0x30, 0x04} {
		if len(parts) <= i || parts[i].tag != tag {
			return true
		}
	}
	named, algorithm := parts[1].items, parts[4].items
	sorted := slices.IsSortedFunc(parts[3].items, func(a, b *tlv) int { return bytes.Compare(a.encode(), b.encode()) })
	return !sorted || len(parts) != 6 || !bytes.Equal(parts[0].body, []byte{1}) || !slices.ContainsFunc([]byte{1, 2, 3}, parts[2].sha2) ||
		len(named) != 2 || named[1].tag != 0x02 || len(algorithm) < 1 || algorithm[0].tag != 0x06 ||
		len(algorithm) > 2 || len(algorithm) == 2 && algorithm[1].tag != 0x05
}

// otherAttributes reports whether the token's signed attributes are not those that
// were signed, which is to say those of the bundle before it was changed.
func (d disagreement) otherAttributes(raw []byte) bool {
	parts, before := signer(raw), disagreement{mutant: mutant{raw: d.of.raw}}
	return len(parts) > 3 && !slices.ContainsFunc(before.timestamps(), func(original []byte) bool {
		signed := signer(original)
		return len(signed) > 3 && bytes.Equal(signed[3].encode(), parts[3].encode())
	})
}

// sameButCertificates reports whether a token of the bundle before it was changed
// differs from this one only in the certificates, which are not signed.
func (d disagreement) sameButCertificates(raw []byte) bool {
	parts, before := rest(raw), disagreement{mutant: mutant{raw: d.of.raw}}
	return parts != nil && slices.ContainsFunc(before.timestamps(), func(original []byte) bool {
		return !bytes.Equal(original, raw) && bytes.Equal(rest(original), parts)
	})
}

// rest returns SignedData without its certificates.
func rest(raw []byte) []byte {
	return encodeTLV(slices.DeleteFunc(slices.Clone(token(raw)), func(e *tlv) bool { return e.tag == 0xa0 }))
}

// wrongPromise reports whether no log of the trusted root has signed the entry's
// promise as it stands.
func (d disagreement) wrongPromise(e logged) bool {
	promise := e.GetInclusionPromise().GetSignedEntryTimestamp()
	payload := fmt.Sprintf(`{"body":"%s","integratedTime":%d,"logID":"%x","logIndex":%d}`,
		b64(e.GetCanonicalizedBody()), e.GetIntegratedTime(), e.GetLogId().GetKeyId(), e.GetLogIndex())
	digest := sha256.Sum256([]byte(payload))
	root, err := trust.Parse(d.of.root)
	return err == nil && len(promise) > 0 && !slices.ContainsFunc(root.Logs, func(l trust.Log) bool {
		key, ok := l.Key.(*ecdsa.PublicKey)
		return ok && bytes.Equal(l.ID, e.GetLogId().GetKeyId()) && ecdsa.VerifyASN1(key, digest[:], promise)
	})
}

// fulcio returns the values of the certificate's extensions under one of Fulcio's arcs.
func fulcio(cert *x509.Certificate, arc int) [][]byte {
	var all [][]byte
	for _, ext := range cert.Extensions {
		if ext.Id.Equal(fulcioOID(1, arc)) {
			all = append(all, ext.Value)
		}
	}
	return all
}

// oddExtensions reports whether one of Fulcio's extensions is not what oid-info.md
// says: text without control characters; from .8 on one DER UTF8String.
func oddExtensions(cert *x509.Certificate) bool {
	for arc := 1; arc <= 24; arc++ {
		values := fulcio(cert, arc)
		for _, value := range values {
			if arc >= 8 {
				var raw asn1.RawValue
				rest, err := asn1.Unmarshal(value, &raw)
				if err != nil || len(rest) > 0 || raw.Class != 0 || raw.Tag != asn1.TagUTF8String {
					return true
				}
				value = raw.Bytes
			}
			if !utf8.Valid(value) || bytes.ContainsFunc(value, unicode.IsControl) {
				return true
			}
		}
		if len(values) > 1 {
			return true
		}
	}
	return false
}

// names returns the number of names in the certificate's subject alternative name.
func names(cert *x509.Certificate) int {
	for _, ext := range cert.Extensions {
		if ext.Id.Equal(oidSAN) {
			var all []asn1.RawValue
			if _, err := asn1.Unmarshal(ext.Value, &all); err == nil {
				return len(all)
			}
		}
	}
	return 0
}

// statement returns the payload as JSON, or nil if it is not JSON.
func (d disagreement) statement() *node {
	tree, err := parseNode(d.bundle().GetDsseEnvelope().GetPayload())
	if err != nil || tree.kind != 'o' {
		return nil
	}
	return tree
}

// member returns the value of a member.
func (n *node) member(name string) string {
	if p, ok := n.find(name); ok {
		return p.node().text
	}
	return ""
}

// digests returns all digests of the statement's subjects, by algorithm.
func (n *node) digests() (all []place) {
	for _, p := range n.places("") {
		if strings.HasPrefix(p.path, "subject[].digest.") {
			all = append(all, p)
		}
	}
	return all
}

// isHex reports whether s is lower-case hex of bytes.
func isHex(s string) bool {
	raw, err := hex.DecodeString(s)
	return err == nil && hex.EncodeToString(raw) == s
}

// unparsed reports whether hallmark failed to parse the bundle, with part in the message.
func (d disagreement) unparsed(part string) bool {
	return d.ours != nil && d.code() == "" && strings.Contains(d.ours.Error(), bundle.ErrMalformed.Error()) && strings.Contains(d.ours.Error(), part)
}

// oursSays and theirsSays look for a part of what a judge has said.
func (d disagreement) oursSays(part string) bool {
	return d.ours != nil && strings.Contains(d.ours.Error(), part)
}

func (d disagreement) theirsSays(part string) bool {
	return d.theirs != nil && strings.Contains(d.theirs.Error(), part)
}

func (n *node) subjects() int { return n.count("subject[]") }

func (n *node) subjectsWithDigest() int { return n.count("subject[].digest") }

func (n *node) count(path string) (found int) {
	for _, p := range n.places("") {
		if p.path == path && (p.node().kind != 'o' || len(p.node().items) > 0) {
			found++
		}
	}
	return found
}

// promises returns the number of SCTs in the leaf.
func (d disagreement) promises() int {
	all, err := sct.Embedded(d.leaf())
	if err != nil {
		return 0
	}
	return len(all)
}

// longSCT reports whether bytes follow the signature inside an SCT's signature.
func (d disagreement) longSCT() bool {
	all, err := sct.Embedded(d.leaf())
	return err == nil && slices.ContainsFunc(all, func(s sct.SCT) bool {
		var v asn1.RawValue
		rest, err := asn1.Unmarshal(s.Signature, &v)
		return err == nil && len(rest) > 0
	})
}

func (d disagreement) emptyTimestamp() bool {
	return slices.ContainsFunc(d.timestamps(), func(raw []byte) bool { return len(raw) == 0 })
}

// knownLog reports whether the trusted root has the entry's log.
func (d disagreement) knownLog(e logged) bool {
	root, err := trust.Parse(d.of.root)
	return err == nil && slices.ContainsFunc(root.Logs, func(l trust.Log) bool { return bytes.Equal(l.ID, e.GetLogId().GetKeyId()) })
}

// byKeyForOtherUse reports whether the token names a certificate of the trusted
// root whose key usage allows no signatures.
func (d disagreement) byKeyForOtherUse(raw []byte) bool {
	root, err := trust.Parse(d.of.root)
	return err == nil && slices.ContainsFunc(root.TimestampAuthorities, func(a trust.Authority) bool {
		sum := sha256.Sum256(a.Chain[0].Raw)
		return a.Chain[0].KeyUsage != 0 && a.Chain[0].KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0 && bytes.Contains(raw, sum[:])
	})
}

// outside reports whether the entry's time is one at which its log's key did not
// count.
func (d disagreement) outside(e logged) bool {
	root, err := trust.Parse(d.of.root)
	return err == nil && slices.ContainsFunc(root.Logs, func(l trust.Log) bool {
		return bytes.Equal(l.ID, e.GetLogId().GetKeyId()) && !l.Validity.Contains(time.Unix(e.GetIntegratedTime(), 0))
	})
}
