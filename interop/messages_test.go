// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	bundlepb "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	rekorpb "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	trustpb "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

// A format is one that hallmark reads and writes by wire/protojson, beside the
// message that protobuf-specs has of it.
type format struct {
	message func() proto.Message
	parse   func([]byte) (marshaler, error)
}

type marshaler interface{ Marshal() ([]byte, error) }

var formats = map[string]format{
	"bundle": {
		func() proto.Message { return new(bundlepb.Bundle) },
		func(raw []byte) (marshaler, error) { return bundle.Parse(raw) },
	},
	"trusted root": {
		func() proto.Message { return new(trustpb.TrustedRoot) },
		func(raw []byte) (marshaler, error) { return trust.Parse(raw) },
	},
	"signing config": {
		func() proto.Message { return new(trustpb.SigningConfig) },
		func(raw []byte) (marshaler, error) { return trust.ParseSigningConfig(raw) },
	},
	"log entry": {
		func() proto.Message { return new(rekorpb.TransparencyLogEntry) },
		func(raw []byte) (marshaler, error) { return rekor.ParseEntry(raw) },
	},
}

// ofMapping matches refusals by the mapping, as opposed to those of what a message
// means.
var ofMapping = regexp.MustCompile(`: line \d+, column \d+: `)

// samples returns documents of each format: those of the conformance suite, and log
// entries out of its bundles.
func samples(t *testing.T) map[string][][]byte {
	t.Helper()
	all := map[string][][]byte{}
	for kind, pattern := range map[string]string{
		"bundle": "bundle-verify/*/*bundle*.json", "trusted root": "*/*trusted_root*.json", "signing config": "*/signing_config*.json",
	} {
		for _, at := range []string{pattern, "*/" + pattern} {
			paths, err := filepath.Glob(filepath.Join("../../shared/conformance", at))
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range paths {
				raw, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				all[kind] = append(all[kind], raw)
			}
		}
	}
	if len(all["bundle"]) == 0 {
		t.Skip("../shared/conformance is not here: no documents to compare")
	}
	for _, raw := range all["bundle"] {
		var pb bundlepb.Bundle
		if protojson.Unmarshal(raw, &pb) != nil {
			continue
		}
		for _, e := range pb.GetVerificationMaterial().GetTlogEntries() {
			if entry, err := protojson.Marshal(e); err == nil {
				all["log entry"] = append(all["log entry"], entry)
			}
		}
	}
	return all
}

// TestMessagesAreProtobufs reads documents and thousands of changed ones with both
// decoders. What protobuf refuses, hallmark refuses; what protobuf accepts, hallmark
// refuses only for what it means. What hallmark writes, protobuf reads as the same
// message and as what it has read itself.
func TestMessagesAreProtobufs(t *testing.T) {
	each := int(number(t, "HALLMARK_MESSAGES", 20))
	for kind, documents := range samples(t) {
		read, refused := 0, 0
		for i, raw := range documents {
			r := rand.New(rand.NewPCG(uint64(i), 7))
			for n := range each {
				document := raw
				if tree, err := parseNode(raw); err == nil && n > 0 {
					document = respelled(r, tree)
				}
				if compareDecoders(t, kind, document) {
					read++
				} else {
					refused++
				}
			}
		}
		t.Logf("%s: %d documents read, %d refused", kind, read, refused)
		if read == 0 {
			t.Errorf("%s: nothing was read", kind)
		}
	}
}

// respelled changes a few values or names of the document.
func respelled(r *rand.Rand, tree *node) []byte {
	for range 1 + r.IntN(3) {
		places := tree.places("")
		if len(places) == 0 {
			break
		}
		p := places[r.IntN(len(places))]
		switch r.IntN(6) {
		case 0: // the original name, or one that is nearly so
			if p.parent.kind == 'o' {
				p.parent.keys[p.at] = snake(p.parent.keys[p.at])
			}
		case 1:
			p.set(literal([]string{"null", "true", "0", "1", "-1", "1e3", "1.0", "0.5", "{}", "[]", `""`, `"1"`, `"1e1"`, "99", `"SHA2_256"`, `"2026-01-02T03:04:05.5+01:00"`}[r.IntN(16)]))
		case 2:
			if n := p.node(); n.kind == 's' {
				n.text = strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(n.text)
			}
		case 3:
			if p.parent.kind == 'o' {
				p.parent.double(r, p.at)
			}
		case 4:
			if p.parent.kind == 'o' {
				_, p.parent.keys[p.at] = rename(r, p.parent.keys[p.at])
			}
		default:
			p.set(retyped(r, p.node()))
		}
	}
	return tree.bytes()
}

// snake returns the original name of a field that JSON has as name.
func snake(name string) string {
	return strings.ToLower(regexp.MustCompile(`[A-Z]`).ReplaceAllString(name, "_$0"))
}

// compareDecoders reports whether both have read the document.
func compareDecoders(t *testing.T, kind string, document []byte) bool {
	t.Helper()
	f := formats[kind]
	theirs, again := f.message(), f.message()
	wrong := protojson.Unmarshal(document, theirs)
	ours, err := f.parse(document)
	switch {
	case err != nil:
		if wrong == nil && ofMapping.MatchString(err.Error()) {
			t.Errorf("%s: hallmark alone refuses: %v\n%s", kind, err, document)
		}
		return false
	case wrong != nil:
		if kind == "bundle" && !bytes.Contains(document, []byte("mediaType")) && !bytes.Contains(document, []byte("media_type")) {
			return true // the form of cosign 1 and 2
		}
		t.Errorf("%s: hallmark alone accepts: %v\n%s", kind, wrong, document)
		return false
	}
	written, err := ours.Marshal()
	if err != nil {
		return true // an older bundle, which v0.3 has no form for
	}
	if err := protojson.Unmarshal(written, again); err != nil {
		t.Errorf("%s: protobuf refuses what was written: %v\n%s", kind, err, written)
	} else if want := normal(theirs); !proto.Equal(normal(again), want) {
		t.Errorf("%s: protobuf reads another message\n%s\nfrom\n%s\ngiven\n%s", kind, again, written, document)
	}
	return true
}

// normal leaves out what hallmark does not keep: the media type's version, members
// that it doesn't use, and messages without anything in them.
func normal(m proto.Message) proto.Message {
	switch m := m.(type) {
	case *bundlepb.Bundle:
		m.MediaType = ""
		if chain := m.GetVerificationMaterial().GetX509CertificateChain(); len(chain.GetCertificates()) == 1 {
			m.VerificationMaterial.Content = &bundlepb.VerificationMaterial_Certificate{Certificate: chain.Certificates[0]}
		}
		if d := m.GetVerificationMaterial().GetTimestampVerificationData(); d != nil && len(d.GetRfc3161Timestamps()) == 0 {
			m.VerificationMaterial.TimestampVerificationData = nil
		}
		for _, e := range m.GetVerificationMaterial().GetTlogEntries() {
			normal(e)
		}
	case *rekorpb.TransparencyLogEntry:
		if m.KindVersion == nil {
			m.KindVersion = new(rekorpb.KindVersion)
		}
		if len(m.GetInclusionPromise().GetSignedEntryTimestamp()) == 0 {
			m.InclusionPromise = nil
		}
		if m.GetInclusionProof().GetCheckpoint().GetEnvelope() == "" && m.InclusionProof != nil {
			m.InclusionProof.Checkpoint = nil
		}
	case *trustpb.TrustedRoot:
		m.MediaType = ""
		for _, l := range append(m.Tlogs, m.Ctlogs...) {
			l.CheckpointKeyId = nil
			l.PublicKey.KeyDetails = 0 // older names become today's
			l.PublicKey.RawBytes = nil // and older forms
		}
		for _, a := range append(m.CertificateAuthorities, m.TimestampAuthorities...) {
			a.Subject = nil
		}
	case *trustpb.SigningConfig:
		for _, c := range []**trustpb.ServiceConfiguration{&m.RekorTlogConfig, &m.TsaConfig} {
			if *c != nil && (*c).Selector == 0 {
				*c = nil
			}
		}
	}
	return m
}

// TestLogEntryIsProtobufs checks that a log's response equals the output of protojson with
// default values.
func TestLogEntryIsProtobufs(t *testing.T) {
	full := rekor.Entry{
		LogIndex: 1 << 52, LogID: make([]byte, 32), Kind: "with \"quotes\" \u2028 and <é>", Version: "1", CanonicalizedBody: []byte("{}"),
		IntegratedTime: time.Unix(1675209600, 0).UTC(), SignedEntryTimestamp: []byte{1, 2},
		Proof: &rekor.Proof{InclusionProof: tile.InclusionProof{Size: 2, Hashes: []tlog.Hash{{1}, {2}, {3}}}, Checkpoint: []byte("a\nb\x1f")},
	}
	bare := rekor.Entry{LogID: make([]byte, 32), Proof: &rekor.Proof{InclusionProof: tile.InclusionProof{Size: 1}}}
	for name, e := range map[string]rekor.Entry{"full": full, "bare": bare} {
		got, err := e.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		var pb rekorpb.TransparencyLogEntry
		if err := protojson.Unmarshal(got, &pb); err != nil {
			t.Fatal(err)
		}
		if want := compact(t, &pb, protojson.MarshalOptions{EmitDefaultValues: true}); string(got) != want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
		}
	}
}

// TestTrustIsWrittenAsProtobufDoes checks that the trusted root and signing config of an instance
// equal the multi-line output of protojson, except for the random spaces in it.
func TestTrustIsWrittenAsProtobufDoes(t *testing.T) {
	spaces := regexp.MustCompile(`(?m)^( *"\w+":) +`)
	for kind, documents := range samples(t) {
		if kind == "bundle" || kind == "log entry" {
			continue
		}
		for _, raw := range documents {
			ours, err := formats[kind].parse(raw)
			if err != nil {
				continue
			}
			got, err := ours.Marshal()
			pb := formats[kind].message()
			if err != nil || protojson.Unmarshal(got, pb) != nil {
				t.Fatalf("%s: %v", kind, err)
			}
			want, err := protojson.MarshalOptions{Multiline: true}.Marshal(pb)
			if err != nil {
				t.Fatal(err)
			}
			if want = spaces.ReplaceAll(want, []byte("$1 ")); !bytes.Equal(got, want) {
				t.Errorf("%s:\n%s\nwant\n%s", kind, got, want)
			}
		}
	}
}
