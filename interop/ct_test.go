// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"

	ct "github.com/google/certificate-transparency-go"
	"github.com/google/certificate-transparency-go/ctutil"
	"github.com/google/certificate-transparency-go/tls"
	"github.com/google/certificate-transparency-go/x509"
	"github.com/google/certificate-transparency-go/x509util"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"golang.org/x/mod/sumdb/tlog"
)

// A certified is a certificate that hallmark issued, with the issuer and the log of the trusted
// root, as certificate-transparency-go reads them.
type certified struct {
	chain  []*x509.Certificate // leaf, issuer
	sct    *ct.SignedCertificateTimestamp
	logKey crypto.PublicKey
}

// TestCertificateTransparency checks that the SCT in a certificate is by the log, and that the
// log has the precertificate at the index in the SCT.
func TestCertificateTransparency(t *testing.T) {
	r := newRequest(t)
	for range 3 {
		if err := sigstoreGoSign(t, r); err != nil {
			t.Fatal(err)
		}
	}
	c := readCertificate(t, r)
	if err := ctutil.VerifySCT(c.logKey, c.chain, c.sct, true); err != nil {
		t.Fatalf("SCT: %v", err)
	}
	index, err := leafIndex(c.sct.Extensions)
	if err != nil {
		t.Fatal(err)
	}
	promised, err := ct.MerkleTreeLeafForEmbeddedSCT(c.chain, c.sct.Timestamp)
	if err != nil {
		t.Fatal(err)
	}
	promised.TimestampedEntry.Extensions = c.sct.Extensions
	leaf, err := tls.Marshal(*promised)
	if err != nil {
		t.Fatal(err)
	}
	log := tiles{ctx: t.Context(), base: r.url + "/ct"}
	tree := log.covering(t, index, func(raw []byte) (tlog.Tree, error) { return openTreeHead(raw, c) })
	if err := log.prove(tree, index, tlog.RecordHash(leaf)); err != nil {
		t.Errorf("entry %d of the CT log: %v", index, err)
	}
	checkDataTile(t, log, c, index, tree.N)
}

func readCertificate(t *testing.T, r request) certified {
	t.Helper()
	signed, err := bundle.LoadJSONFromPath(r.bundle)
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := root.NewTrustedRootFromPath(r.trustedRoot)
	if err != nil {
		t.Fatal(err)
	}
	authority := trusted.FulcioCertificateAuthorities()[0].(*root.FulcioCertificateAuthority)
	var c certified
	for _, der := range [][]byte{signed.GetVerificationMaterial().GetCertificate().GetRawBytes(), authority.Intermediates[0].Raw} {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		c.chain = append(c.chain, certificate)
	}
	scts, err := x509util.ParseSCTsFromCertificate(c.chain[0].Raw)
	if err != nil || len(scts) != 1 {
		t.Fatalf("%d SCTs in the certificate: %v", len(scts), err)
	}
	c.sct = scts[0]
	known, ok := trusted.CTLogs()[hex.EncodeToString(c.sct.LogID.KeyID[:])]
	if !ok {
		t.Fatal("the SCT's log is not in the trusted root")
	}
	c.logKey = known.PublicKey
	return c
}

// leafIndex reads the extension of static-ct-api: type 0, length 5, 40 bits.
func leafIndex(extensions []byte) (int64, error) {
	if len(extensions) != 8 || extensions[0] != 0 || binary.BigEndian.Uint16(extensions[1:]) != 5 {
		return 0, fmt.Errorf("SCT extensions %x are no leaf_index", extensions)
	}
	return int64(binary.BigEndian.Uint64(extensions) & (1<<40 - 1)), nil
}

// openTreeHead reads a checkpoint of static-ct-api as the RFC 6962 tree head
// that its RFC6962NoteSignature is made of.
func openTreeHead(raw []byte, c certified) (tlog.Tree, error) {
	text, signatures, ok := strings.Cut(string(raw), "\n\n")
	lines := strings.Split(text, "\n")
	if !ok || len(lines) != 3 {
		return tlog.Tree{}, errors.New("not a checkpoint")
	}
	size, err := strconv.ParseUint(lines[1], 10, 63)
	if err != nil {
		return tlog.Tree{}, err
	}
	hash, err := tlog.ParseHash(lines[2])
	if err != nil {
		return tlog.Tree{}, err
	}
	verifier, err := ct.NewSignatureVerifier(c.logKey)
	if err != nil {
		return tlog.Tree{}, err
	}
	// key ID: SHA-256(name ‖ 0x0A ‖ 0x05 ‖ log ID), its first four bytes
	id := sha256.Sum256(append([]byte(lines[0]+"\n\x05"), c.sct.LogID.KeyID[:]...))
	for line := range strings.Lines(signatures) {
		encoded, ours := strings.CutPrefix(strings.TrimSpace(line), "— "+lines[0]+" ")
		blob, err := base64.StdEncoding.DecodeString(encoded)
		if !ours || err != nil || len(blob) < 12 || string(blob[:4]) != string(id[:4]) {
			continue
		}
		head := ct.SignedTreeHead{TreeSize: size, Timestamp: binary.BigEndian.Uint64(blob[4:]), SHA256RootHash: ct.SHA256Hash(hash)}
		if _, err := tls.Unmarshal(blob[12:], (*tls.DigitallySigned)(&head.TreeHeadSignature)); err != nil {
			return tlog.Tree{}, err
		}
		return tlog.Tree{N: int64(size), Hash: hash}, verifier.VerifySTHSignature(head)
	}
	return tlog.Tree{}, errors.New("no RFC6962NoteSignature by the log's key")
}

// A precertificate is the part of a data tile after an entry's TimestampedEntry.
type precertificate struct {
	DER         []byte `tls:"minlen:1,maxlen:16777215"`
	IssuerChain []byte `tls:"minlen:0,maxlen:65535"` // SHA-256 of each issuer
}

// checkDataTile reads the log's data tile up to the certificate's entry, which
// must be its precertificate, and fetches its issuer by fingerprint.
func checkDataTile(t *testing.T, log tiles, c certified, index, size int64) {
	t.Helper()
	data, err := log.leaves("data", index, size)
	if err != nil {
		t.Fatal(err)
	}
	var entry ct.TimestampedEntry
	var logged precertificate
	for range index%256 + 1 {
		entry, logged = ct.TimestampedEntry{}, precertificate{}
		if data, err = tls.Unmarshal(data, &entry); err != nil {
			t.Fatalf("data tile: %v", err)
		}
		if data, err = tls.Unmarshal(data, &logged); err != nil {
			t.Fatalf("data tile: %v", err)
		}
	}
	precert, err := x509.ParseCertificate(logged.DER)
	if err != nil || !precert.IsPrecertificate() || precert.SerialNumber.Cmp(c.chain[0].SerialNumber) != 0 {
		t.Errorf("entry %d is not the certificate's precertificate: %v", index, err)
	}
	if entry.Timestamp != c.sct.Timestamp {
		t.Errorf("entry %d is of %d, its SCT of %d", index, entry.Timestamp, c.sct.Timestamp)
	}
	issuer := sha256.Sum256(c.chain[1].Raw)
	if len(logged.IssuerChain) < len(issuer) || string(logged.IssuerChain[:len(issuer)]) != string(issuer[:]) {
		t.Errorf("entry %d has the issuers %x", index, logged.IssuerChain)
	}
	served, err := log.get("/issuer/" + hex.EncodeToString(issuer[:]))
	if err != nil || string(served) != string(c.chain[1].Raw) {
		t.Errorf("issuer of entry %d: %d bytes, %v", index, len(served), err)
	}
}

func hostname(t *testing.T, base string) string {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	return u.Hostname()
}
