// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"math/rand/v2"
	"time"

	bundlepb "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	commonpb "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	dssepb "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	rekorpb "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/dsse"
	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/sct"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
	"github.com/hallmark-sign/hallmark/wire/timestamp"
)

// A forgery is a bundle in the making. Twists change its fields before they are signed.
type forgery struct {
	*forge
	r *rand.Rand

	mediaType string
	v1        bool   // an entry of Rekor v1
	kind      string // of the entry in Rekor v1
	promise   bool   // Rekor v1: a signed entry timestamp
	proof     bool
	keyed     bool // no certificate
	artifact  []byte
	payload   []byte // of an envelope; nil: the artifact is signed
	payloadOf string // the envelope's payload type

	cert    *x509.Certificate // the template
	issuer  issued
	chain   [][]byte // DER, above the leaf, in bundles before v0.3
	scts    []sctOrder
	sctList func([]byte) []byte // the extension's value; nil: as it is

	hashes    crypto.Hash // the message digest; 0: none
	body      func([]byte) []byte
	entries   []entryOrder
	stamps    []stampOrder
	signature func([]byte) []byte // what is put for the signature before it is logged and stamped
}

// An sctOrder specifies an SCT.
type sctOrder struct {
	key        steady
	at         time.Time
	extensions []byte
	change     func(*sct.SCT)
}

// An entryOrder specifies a log entry.
type entryOrder struct {
	log        forgedLog
	integrated time.Time
	index      int64 // of the whole log; -1: the proof's
	leaves     int   // of the tree
	head       checkpoint.Checkpoint
	name       string // on the signature line; "": the log's
	others     []note.Signer
}

// A stampOrder specifies a timestamp.
type stampOrder struct {
	by    string
	at    time.Time
	embed bool
	of    []byte // nil: the signature
	hash  crypto.Hash
}

// newForgery returns a usual bundle, of a kind that r chooses.
func (f *forge) newForgery(r *rand.Rand) *forgery {
	o := &forgery{
		forge: f, r: r, mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json", proof: true,
		artifact: []byte("what everybody signs\n"), payloadOf: dsse.PayloadTypeInToto, hashes: crypto.SHA256,
		issuer: f.issuers["plain"], body: func(b []byte) []byte { return b },
		scts: []sctOrder{{key: f.ct, at: forgedAt}},
	}
	o.cert = &x509.Certificate{
		SerialNumber: big.NewInt(3), NotBefore: forgedAt.Add(-time.Minute), NotAfter: forgedAt.Add(9 * time.Minute),
		KeyUsage: x509.KeyUsageDigitalSignature,
		ExtraExtensions: append(must(identity.Identity{
			Issuer: forgedIssuer, Subject: identity.Subject{Type: identity.Email, Value: forgedIdentity},
		}.Extensions()), usage(false, oidCodeSigning)),
	}
	if r.IntN(2) == 0 {
		o.payload = statementOf("sha256", o.artifact)
	}
	e := entryOrder{log: f.logs[0], index: -1, leaves: 1 + r.IntN(4), head: checkpoint.Checkpoint{Origin: f.logs[0].origin}}
	o.keyed = r.IntN(5) == 0
	if o.v1 = r.IntN(2) == 0; o.v1 {
		o.asV1(&e)
	} else {
		o.stamps = []stampOrder{{by: "plain", at: forgedAt}}
	}
	o.entries = []entryOrder{e}
	return o
}

// asV1 makes the entry one of Rekor v1: with promise or with timestamp or both.
func (o *forgery) asV1(e *entryOrder) {
	o.kind = "hashedrekord"
	if o.payload != nil {
		o.kind = []string{"dsse", "intoto"}[o.r.IntN(2)]
	}
	e.integrated, e.index = forgedAt, 4288993
	e.head.Origin += " - 1193050959916656506"
	o.promise = true
	switch o.r.IntN(5) {
	case 0:
		o.mediaType, o.proof = "application/vnd.dev.sigstore.bundle+json;version=0.1", o.r.IntN(2) == 0
	case 1:
		o.mediaType = "application/vnd.dev.sigstore.bundle+json;version=0.2"
	case 2:
		o.promise, o.stamps = false, []stampOrder{{by: "plain", at: forgedAt}}
	case 3:
		o.stamps = []stampOrder{{by: "plain", at: forgedAt, embed: true}}
	}
}

func statementOf(algorithm string, artifact []byte) []byte {
	return fmt.Appendf(nil, `{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"artifact","digest":{%q:"%x"}}],"predicateType":%q,"predicate":{}}`,
		algorithm, sha256.Sum256(artifact), predicateType)
}

// sign carries the forgery out.
func (o *forgery) sign() []byte {
	key := steadyKey("signer")
	verifier := rekor.Verifier{KeyDetails: sigalg.ECDSAP256SHA256}
	material := &bundlepb.VerificationMaterial{}
	if o.keyed {
		verifier.PublicKey = must(x509.MarshalPKIXPublicKey(key.Public()))
		material.Content = &bundlepb.VerificationMaterial_PublicKey{PublicKey: &commonpb.PublicKeyIdentifier{Hint: "hint"}}
	} else {
		verifier.Certificate = o.certify(key)
		o.fill(material, verifier.Certificate)
	}
	message := o.artifact
	if o.payload != nil {
		message = dsse.PAE(o.payloadOf, o.payload)
	}
	digest := sha256.Sum256(message)
	signature := must(key.Sign(nil, digest[:], crypto.SHA256))
	if o.signature != nil {
		signature = o.signature(signature)
	}
	body := o.body(o.logged(rekor.HashedRekord{Digest: digest[:], Signature: signature, Verifier: verifier}))
	for _, e := range o.entries {
		material.TlogEntries = append(material.TlogEntries, o.enter(e, body))
	}
	if len(o.stamps) > 0 {
		material.TimestampVerificationData = &bundlepb.TimestampVerificationData{}
	}
	for _, s := range o.stamps {
		material.TimestampVerificationData.Rfc3161Timestamps = append(material.TimestampVerificationData.Rfc3161Timestamps,
			&commonpb.RFC3161SignedTimestamp{SignedTimestamp: o.stamp(s, signature)})
	}
	return o.marshal(material, signature)
}

func (o *forgery) marshal(material *bundlepb.VerificationMaterial, signature []byte) []byte {
	pb := &bundlepb.Bundle{MediaType: o.mediaType, VerificationMaterial: material}
	if o.payload != nil {
		pb.Content = &bundlepb.Bundle_DsseEnvelope{DsseEnvelope: &dssepb.Envelope{
			PayloadType: o.payloadOf, Payload: o.payload, Signatures: []*dssepb.Signature{{Sig: signature}},
		}}
		return must(protojson.Marshal(pb))
	}
	m := &commonpb.MessageSignature{Signature: signature}
	if o.hashes != 0 {
		sum := o.hashes.New()
		sum.Write(o.artifact)
		algorithm := map[crypto.Hash]commonpb.HashAlgorithm{
			crypto.SHA256: commonpb.HashAlgorithm_SHA2_256, crypto.SHA384: commonpb.HashAlgorithm_SHA2_384, crypto.SHA512: commonpb.HashAlgorithm_SHA2_512,
		}[o.hashes]
		m.MessageDigest = &commonpb.HashOutput{Algorithm: algorithm, Digest: sum.Sum(nil)}
	}
	pb.Content = &bundlepb.Bundle_MessageSignature{MessageSignature: m}
	return must(protojson.Marshal(pb))
}

// fill puts the certificate where the version has it.
func (o *forgery) fill(material *bundlepb.VerificationMaterial, leaf []byte) {
	if o.mediaType == "application/vnd.dev.sigstore.bundle.v0.3+json" && o.chain == nil {
		material.Content = &bundlepb.VerificationMaterial_Certificate{Certificate: &commonpb.X509Certificate{RawBytes: leaf}}
		return
	}
	chain := &commonpb.X509CertificateChain{Certificates: []*commonpb.X509Certificate{{RawBytes: leaf}}}
	for _, der := range o.chain {
		chain.Certificates = append(chain.Certificates, &commonpb.X509Certificate{RawBytes: der})
	}
	material.Content = &bundlepb.VerificationMaterial_X509CertificateChain{X509CertificateChain: chain}
}

// certify issues the certificate with the CT log's promises in it.
func (o *forgery) certify(key steady) []byte {
	plain := o.issuer.sign(o.cert, key)
	if len(o.scts) == 0 {
		return plain
	}
	signed := o.precert(plain)
	var all []sct.SCT
	for _, s := range o.scts {
		made := must(sct.Sign(s.key, signed, uint64(s.at.UnixMilli()), s.extensions))
		if s.change != nil {
			s.change(&made)
		}
		all = append(all, made)
	}
	value := must(sct.MarshalList(all))
	if o.sctList != nil {
		value = o.sctList(value)
	}
	template := *o.cert
	template.ExtraExtensions = append(template.ExtraExtensions[:len(template.ExtraExtensions):len(template.ExtraExtensions)], pkix.Extension{Id: sct.OIDList(), Value: value})
	return o.issuer.sign(&template, key)
}

// precert returns the part of the certificate that a CT log signs.
func (o *forgery) precert(der []byte) sct.Precert {
	certificate, _ := parseTLV(der, 0)
	signed := certificate[0].items[0].encode()
	tbs, err := sct.PrecertTBS(signed)
	if err != nil {
		tbs = signed // no log would sign this one
	}
	return sct.Precert{IssuerKeyHash: sha256.Sum256(must(x509.MarshalPKIXPublicKey(o.issuer.key.Public()))), TBS: tbs}
}

// logged returns the body of the entry.
func (o *forgery) logged(h rekor.HashedRekord) []byte {
	if !o.v1 {
		return must(h.Body())
	}
	verifier := pemOf("CERTIFICATE", h.Verifier.Certificate)
	if o.keyed {
		verifier = pemOf("PUBLIC KEY", h.Verifier.PublicKey)
	}
	signature, by := b64(h.Signature), b64(verifier)
	payload, nothing := sha256.Sum256(o.payload), make([]byte, 32)
	switch o.kind {
	case "hashedrekord":
		return fmt.Appendf(nil, `{"apiVersion":"0.0.1","kind":"hashedrekord","spec":{"data":{"hash":{"algorithm":"sha256","value":"%x"}},`+
			`"signature":{"content":"%s","publicKey":{"content":"%s"}}}}`, h.Digest, signature, by)
	case "dsse":
		return fmt.Appendf(nil, `{"apiVersion":"0.0.1","kind":"dsse","spec":{"envelopeHash":{"algorithm":"sha256","value":"%x"},`+
			`"payloadHash":{"algorithm":"sha256","value":"%x"},"signatures":[{"signature":"%s","verifier":"%s"}]}}`, nothing, payload, signature, by)
	}
	return fmt.Appendf(nil, `{"apiVersion":"0.0.2","kind":"intoto","spec":{"content":{"envelope":{"payloadType":"application/vnd.in-toto+json",`+
		`"signatures":[{"publicKey":"%s","sig":"%s"}]},"hash":{"algorithm":"sha256","value":"%x"},"payloadHash":{"algorithm":"sha256","value":"%x"}}}}`,
		by, b64([]byte(signature)), nothing, payload)
}

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// enter puts the body into a tree beside other leaves, and proves it.
func (o *forgery) enter(e entryOrder, body []byte) *rekorpb.TransparencyLogEntry {
	at := int64(e.leaves / 2)
	pb := &rekorpb.TransparencyLogEntry{
		LogIndex: e.index, LogId: &commonpb.LogId{KeyId: e.log.id}, KindVersion: &rekorpb.KindVersion{Kind: "hashedrekord", Version: "0.0.2"},
		CanonicalizedBody: body,
	}
	if e.index < 0 {
		pb.LogIndex = at
	}
	if o.v1 {
		pb.KindVersion = &rekorpb.KindVersion{Kind: o.kind, Version: map[string]string{"hashedrekord": "0.0.1", "dsse": "0.0.1", "intoto": "0.0.2"}[o.kind]}
	}
	if !e.integrated.IsZero() {
		pb.IntegratedTime = e.integrated.Unix()
	}
	if o.promise {
		o.promised(e, pb)
	}
	if o.proof {
		pb.InclusionProof = e.prove(body, at)
	}
	return pb
}

func (o *forgery) promised(e entryOrder, pb *rekorpb.TransparencyLogEntry) {
	payload := fmt.Sprintf(`{"body":"%s","integratedTime":%d,"logID":"%s","logIndex":%d}`,
		b64(pb.CanonicalizedBody), pb.IntegratedTime, hex.EncodeToString(e.log.id), pb.LogIndex)
	digest := sha256.Sum256([]byte(payload))
	pb.InclusionPromise = &rekorpb.InclusionPromise{SignedEntryTimestamp: must(e.log.key.Sign(nil, digest[:], crypto.SHA256))}
}

func (e entryOrder) prove(body []byte, at int64) *rekorpb.InclusionProof {
	store := hashStore{}
	for i := range int64(e.leaves) {
		leaf := fmt.Appendf(nil, "leaf %d", i)
		if i == at {
			leaf = body
		}
		store = append(store, must(tlog.StoredHashes(i, leaf, store))...)
	}
	head := e.head
	if head.Size == 0 {
		head.Size, head.Root = uint64(e.leaves), must(tlog.TreeHash(int64(e.leaves), store))
	}
	name := e.name
	if name == "" {
		name = e.log.origin
	}
	envelope := must(checkpoint.Sign(head, append([]note.Signer{must(checkpoint.NewSigner(name, e.log.key))}, e.others...)...))
	pb := &rekorpb.InclusionProof{
		LogIndex: at, RootHash: head.Root[:], TreeSize: int64(head.Size), Checkpoint: &rekorpb.Checkpoint{Envelope: string(envelope)},
	}
	for _, hash := range must(tlog.ProveRecord(int64(e.leaves), at, store)) {
		pb.Hashes = append(pb.Hashes, hash[:])
	}
	return pb
}

// hashStore keeps a tree's hashes in memory.
type hashStore []tlog.Hash

func (s hashStore) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var out []tlog.Hash
	for _, i := range indexes {
		out = append(out, s[i])
	}
	return out, nil
}

func (o *forgery) stamp(s stampOrder, signature []byte) []byte {
	if s.of != nil {
		signature = s.of
	}
	if s.hash == 0 {
		s.hash = crypto.SHA256
	}
	sum := s.hash.New()
	sum.Write(signature)
	by := o.stampers[s.by]
	return by.exchange(must(by.signer.Sign(
		timestamp.Request{Hash: s.hash, Imprint: sum.Sum(nil), CertReq: s.embed},
		timestamp.Stamp{Time: s.at, Serial: big.NewInt(7), Policy: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2}},
	)))
}

// forge makes a bundle with up to two twists.
func (f *forge) forge(r *rand.Rand) (seed, *node, []string) {
	o := f.newForgery(r)
	kinds := []string{}
	for range []int{0, 1, 1, 1, 2, 2}[r.IntN(6)] {
		all := twists()
		t := all[r.IntN(len(all))]
		t.apply(o)
		kinds = append(kinds, "forged: "+t.name)
	}
	s := o.seed()
	return s, must(parseNode(s.raw)), kinds
}

// seed signs the forgery, and asks whether alice has signed, or the key.
func (o *forgery) seed() seed {
	s := seed{name: o.name(), raw: o.sign(), artifact: o.artifact, root: o.trusted, identity: forgedIdentity, issuer: forgedIssuer}
	if o.keyed {
		s.key = steadyKey("signer").Public()
		s.keyPEM = pemOf("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(s.key)))
	}
	return s
}

func (o *forgery) name() string {
	name := "forged rekor2"
	if o.v1 {
		name = "forged rekor1 " + o.kind
	}
	if o.payload != nil {
		name += " attestation"
	}
	if o.keyed {
		name += " keyed"
	}
	return name
}

// seeds returns usual bundles of every kind that the forge makes.
func (f *forge) seeds() []seed {
	var seeds []seed
	known := map[string]bool{}
	for i := uint64(0); len(seeds) < 14 && i < 1000; i++ {
		r := rand.New(rand.NewPCG(0, i))
		o := f.newForgery(r)
		name := fmt.Sprintf("%s %s %v %v", o.name(), o.mediaType, o.promise, o.proof)
		if known[name] {
			continue
		}
		known[name] = true
		seeds = append(seeds, o.seed())
	}
	return seeds
}
