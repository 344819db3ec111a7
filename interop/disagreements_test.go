// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/verify"
)

// A disagreement is a mutant that one judge accepts and the other refuses, or that both accept
// with different results.
type disagreement struct {
	mutant
	ours, theirs          error
	oursMeans, theirsMean meaning // where both accept
}

func (d disagreement) disagree() bool {
	return (d.ours == nil) != (d.theirs == nil) || isPanic(d.theirs) || d.differ()
}

// differ reports whether both accept, but not the same.
func (d disagreement) differ() bool {
	return d.ours == nil && d.theirs == nil && d.oursMeans.String() != d.theirsMean.String()
}

// fewerTimes reports whether that is all the difference: some of hallmark's times
// are not among sigstore-go's.
func (d disagreement) fewerTimes() bool {
	missing := func(t string) bool { return !slices.Contains(d.oursMeans.when, t) }
	return d.differ() && d.oursMeans.who == d.theirsMean.who && d.oursMeans.what == d.theirsMean.what &&
		len(d.theirsMean.when) > 0 && !slices.ContainsFunc(d.theirsMean.when, missing)
}

func (d disagreement) verdicts() string {
	return fmt.Sprintf("  hallmark:    %s\n  sigstore-go: %s", verdict(d.ours, d.oursMeans), verdict(d.theirs, d.theirsMean))
}

func verdict(err error, m meaning) string {
	switch {
	case err == nil && m.who == "":
		return "accepts"
	case err == nil:
		return "accepts: " + m.String()
	}
	return strings.ReplaceAll(err.Error(), "\u00a0", " ")
}

// An explanation is a row of docs/disagreements.md: a kind of mutant about which the judges are
// known to disagree, and the reason.
type explanation struct {
	id    string
	holds func(d disagreement) bool
}

// unsigned lists the explanations of unsigned parts that hallmark ignores and sigstore-go
// refuses. sigstore-go must accept the bundle once the part is corrected.
var unsigned = []string{
	"message-digest-absent", "message-digest-hash", "envelope-key-hint", "integrated-time-unsigned", "entry-twice", "unknown-log-accepted",
	"v01-proof-without-checkpoint", "v2-promise", "checkpoint-other-signers", "token-certificate",
}

// explain finds the row.
func (d disagreement) explain() (string, bool) { return d.explainBut(nil) }

// explainBut finds one that is not among those.
func (d disagreement) explainBut(those []string) (string, bool) {
	for _, e := range disagreements {
		if !slices.Contains(those, e.id) && e.holds(d) {
			return e.id, true
		}
	}
	return "", false
}

// code returns the code of hallmark's refusal, or "" if it accepts the mutant or does not
// verify it.
func (d disagreement) code() verify.Code {
	var refusal *verify.Error
	if errors.As(d.ours, &refusal) {
		return refusal.Code
	}
	return ""
}

// refusesAs: hallmark refuses with one of these codes, and sigstore-go accepts.
func (d disagreement) refusesAs(codes ...verify.Code) bool {
	return d.theirs == nil && d.code() != "" && slices.Contains(codes, d.code())
}

// acceptsBut: hallmark accepts, and sigstore-go refuses with this.
func (d disagreement) acceptsBut(says string) bool { return d.ours == nil && d.theirsSays(says) }

// disagreements lists all explanations. Each id is a row of docs/disagreements.md.
var disagreements = slices.Concat(formDisagreements, logDisagreements, certificateDisagreements, timeDisagreements, statementDisagreements, lastDisagreements)

var formDisagreements = []explanation{
	{"media-type", func(d disagreement) bool {
		return d.theirs == nil && errors.Is(d.ours, bundle.ErrVersion) && strings.HasPrefix(d.bundle().GetMediaType(), "application/vnd.dev.sigstore.bundle.v")
	}},
	{"message-digest-absent", func(d disagreement) bool {
		m := d.bundle().GetMessageSignature()
		return d.acceptsBut("missing verification material") && m != nil && m.GetMessageDigest() == nil
	}},
	{"message-digest-hash", func(d disagreement) bool {
		digest := d.bundle().GetMessageSignature().GetMessageDigest()
		return (d.acceptsBut("digest algorithm mismatch") || d.acceptsBut("verifying inclusion: calculated root")) &&
			slices.Contains([]string{"SHA2_384", "SHA2_512"}, digest.GetAlgorithm().String())
	}},
	{"chain-length", func(d disagreement) bool {
		certs := d.certificates()
		return d.theirs == nil && (d.unparsed(" certificates, want 1 to 10") && len(certs) > 10 ||
			d.unparsed("certificates of ") && len(certs) > 1 && len(slices.Concat(certs...)) > 32<<10)
	}},
	{"envelope-key-hint", func(d disagreement) bool {
		s := d.bundle().GetDsseEnvelope().GetSignatures()
		return d.acceptsBut("accepted signatures do not match threshold") && len(s) == 1 && s[0].GetKeyid() != ""
	}},
	{"chain-rubbish", func(d disagreement) bool {
		certs := d.certificates()
		return (d.refusesAs(verify.Malformed) || d.theirs == nil && d.unparsed("certificate ")) && len(certs) > 1 && d.oursSays("certificate ") && d.leaf() != nil &&
			slices.ContainsFunc(certs[1:], func(der []byte) bool { _, err := x509.ParseCertificate(der); return err != nil })
	}},
}

var logDisagreements = []explanation{
	{"log-id-length", func(d disagreement) bool {
		return d.theirs == nil && d.unparsed("logId of ") && len(d.entries()) > 1 &&
			d.anyEntry(func(e logged) bool { return len(e.GetLogId().GetKeyId()) != 32 })
	}},
	{"integrated-time-range", func(d disagreement) bool {
		return d.theirs == nil && d.unparsed("integratedTime ") && d.anyEntry(func(e logged) bool { return e.GetIntegratedTime() < 0 || e.GetIntegratedTime() > 253402300799 })
	}},
	{"integrated-time-unsigned", func(d disagreement) bool {
		return d.acceptsBut("integrated time outside certificate validity") && d.anyEntry(func(e logged) bool {
			return e.GetIntegratedTime() != 0 && (e.v2() || len(e.GetInclusionPromise().GetSignedEntryTimestamp()) == 0)
		})
	}},
	{"entry-kind-version", func(d disagreement) bool {
		return d.refusesAs(verify.LogEntryMismatch) && d.anyEntry(func(e logged) bool {
			kind, version := e.head()
			return kind != "" && d.oursSays("expected "+e.GetKindVersion().GetKind()+" "+e.GetKindVersion().GetVersion()+", found "+kind+" "+version)
		})
	}},
	{"v2-body-not-read", func(d disagreement) bool {
		return d.refusesAs(verify.Malformed, verify.LogEntryMismatch, verify.KeyMismatch, verify.LogProofInvalid) &&
			d.anyEntry(func(e logged) bool { return e.asV2() && !bytes.Equal(e.GetCanonicalizedBody(), d.rebuilt()) })
	}},
	{"v2-body-spelling", func(d disagreement) bool {
		return d.acceptsBut("verifying inclusion: calculated root") &&
			d.anyEntry(func(e logged) bool { return e.v2() && !bytes.Equal(e.GetCanonicalizedBody(), d.rebuilt()) })
	}},
	{"v2-proof-contradicts", func(d disagreement) bool {
		return (d.refusesAs(verify.CheckpointInvalid, verify.LogProofInvalid) || d.theirs == nil && d.unparsed("inclusion proof: ")) &&
			d.anyEntry(func(e logged) bool { return e.asV2() && e.contradicts() })
	}},
	{"v2-checkpoint-as-v1", func(d disagreement) bool {
		return d.refusesAs(verify.CheckpointInvalid) && d.oursSays("checkpoint of ") && d.anyEntry(func(e logged) bool { return e.v2() && e.withTree() })
	}},
	{"v1-checkpoint-without-tree", func(d disagreement) bool {
		return (d.acceptsBut("verifying log entry: unverified checkpoint signature") || d.acceptsBut("verifying log entry: verifying inclusion")) &&
			d.anyEntry(func(e logged) bool { return !e.v2() && !e.withTree() })
	}},
	{"v1-checkpoint-name", func(d disagreement) bool {
		return d.refusesAs(verify.CheckpointInvalid) && d.oursSays("no verifiable signatures") && d.anyEntry(func(e logged) bool {
			lines, signatures, _ := e.note()
			origin, _, _ := strings.Cut(lines[0], " - ")
			return !e.v2() && !strings.HasPrefix(signatures[0], "— "+origin+" ")
		})
	}},
	{"checkpoint-form", func(d disagreement) bool {
		return d.refusesAs(verify.CheckpointInvalid) && d.oursSays("malformed note") && d.anyEntry(logged.malformedNote)
	}},
	{"checkpoint-other-signers", func(d disagreement) bool {
		return d.acceptsBut("signature on checkpoint did not verify") && d.anyEntry(logged.otherSigners)
	}},
	{"v1-body-form", func(d disagreement) bool {
		return d.refusesAs(verify.Malformed) && d.oursSays("log entry ") && d.anyEntry(func(e logged) bool { return !e.v2() && e.oddBody() })
	}},
	{"v1-envelope-as-hashedrekord", func(d disagreement) bool {
		return d.acceptsBut("is not a dsse_v001 or intoto_v002 entry") && d.bundle().GetDsseEnvelope() != nil && d.anyEntry(func(e logged) bool {
			kind, version := e.head()
			return kind == "hashedrekord" && version == "0.0.1"
		})
	}},
	{"v1-proof-contradicts", func(d disagreement) bool {
		return d.refusesAs(verify.CheckpointInvalid) && d.oursSays("expected a tree of ") && d.anyEntry(func(e logged) bool {
			lines, _, _ := e.note()
			return !e.v2() && len(lines) > 2 && lines[1] != strconv.FormatInt(e.GetInclusionProof().GetTreeSize(), 10)
		})
	}},
	{"v01-proof-without-checkpoint", func(d disagreement) bool {
		return (d.acceptsBut("inclusion proof checkpoint empty") || d.acceptsBut("inclusion proof missing required checkpoint")) &&
			strings.HasSuffix(d.bundle().GetMediaType(), "version=0.1") && d.anyEntry(func(e logged) bool {
			return e.GetInclusionProof() != nil && e.GetInclusionProof().GetCheckpoint().GetEnvelope() == "" && len(e.GetInclusionPromise().GetSignedEntryTimestamp()) > 0
		})
	}},
	{"promise-wrong-beside", func(d disagreement) bool {
		return (d.refusesAs(verify.LogPromiseInvalid, verify.LogUnknown, verify.Malformed) || d.theirs == nil && d.unparsed("log entry ")) &&
			len(d.entries()) > 1 && d.anyEntry(func(e logged) bool { return d.wrongPromise(e) || d.outside(e) })
	}},
	{"proof-missing-beside", func(d disagreement) bool {
		return d.theirs == nil && len(d.entries()) > 1 && (d.unparsed("no inclusion proof") && d.anyEntry(func(e logged) bool { return e.GetInclusionProof() == nil }) ||
			d.unparsed("no inclusion promise") && d.anyEntry(func(e logged) bool { return len(e.GetInclusionPromise().GetSignedEntryTimestamp()) == 0 }))
	}},
	{"v1-several-signatures", func(d disagreement) bool {
		return d.refusesAs(verify.LogEntryMismatch) && d.oursSays("entry with ") && d.anyEntry(func(e logged) bool { return !e.v2() && e.signatures() > 1 })
	}},
	{"unknown-log-proof", func(d disagreement) bool {
		return d.theirs == nil && d.unparsed("inclusion proof: ") && len(d.entries()) > 1 && d.anyEntry(func(e logged) bool { return !d.knownLog(e) })
	}},
	{"log-index-size", func(d disagreement) bool {
		return d.theirs == nil && d.unparsed("logIndex ") && d.anyEntry(func(e logged) bool { return e.GetLogIndex() > 1<<60 })
	}},
	{"entry-twice", func(d disagreement) bool {
		known := map[string]bool{}
		return d.acceptsBut("duplicate tlog entries found") && d.anyEntry(func(e logged) bool {
			twice := known[e.key()]
			known[e.key()] = true
			return twice
		})
	}},
	{"v2-promise", func(d disagreement) bool {
		return d.acceptsBut("not enough verified log entries") &&
			d.anyEntry(func(e logged) bool { return e.v2() && len(e.GetInclusionPromise().GetSignedEntryTimestamp()) > 0 })
	}},
}

var certificateDisagreements = []explanation{
	{"leaf-usage", func(d disagreement) bool {
		leaf := d.leaf()
		return d.refusesAs(verify.ChainUntrusted) && leaf != nil && (leaf.KeyUsage != 0 && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 ||
			!slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageCodeSigning))
	}},
	{"issuers-differ", func(d disagreement) bool {
		return d.refusesAs(verify.IdentityMismatch) && d.oursSays(".1 and .8 differ") && d.leaf() != nil &&
			len(fulcio(d.leaf(), 1)) > 0 && len(fulcio(d.leaf(), 8)) > 0
	}},
	{"fulcio-extension-form", func(d disagreement) bool {
		return d.refusesAs(verify.IdentityMismatch) && d.oursSays(": extension 1.3.6.1.4.1.57264.1.") && d.leaf() != nil && oddExtensions(d.leaf())
	}},
	{"several-names", func(d disagreement) bool {
		return d.refusesAs(verify.IdentityMismatch) && d.oursSays("several names") && d.leaf() != nil && names(d.leaf()) > 1
	}},
	{"name-relative-uri", func(d disagreement) bool {
		return d.refusesAs(verify.IdentityMismatch) && d.oursSays("URI is not absolute") && d.leaf() != nil && len(d.leaf().URIs) == 1 && !d.leaf().URIs[0].IsAbs()
	}},
	{"sct-signature-form", func(d disagreement) bool {
		return d.refusesAs(verify.SCTInvalid) && d.oursSays("verifying SCT: ") && d.leaf() != nil && d.promises() == 1 && d.longSCT()
	}},
	{"sct-wrong-beside", func(d disagreement) bool {
		return d.refusesAs(verify.SCTInvalid) && d.oursSays("verifying SCT: ") && d.leaf() != nil && d.promises() > 1
	}},
}

// lastDisagreements match many mutants, so they are tried last.
var lastDisagreements = []explanation{
	// Whatever sigstore-go says of them: without them it must accept.
	{"unknown-log-accepted", func(d disagreement) bool {
		return d.ours == nil && d.theirs != nil && len(d.entries()) > 1 && d.anyEntry(func(e logged) bool { return !d.knownLog(e) })
	}},
}

var timeDisagreements = []explanation{
	{"timestamp-wrong-beside", func(d disagreement) bool {
		return d.sources() > 1 && (d.refusesAs(verify.TimestampInvalid) || d.theirs == nil && d.unparsed("timestamp ") && d.emptyTimestamp())
	}},
	{"timestamp-beyond-certificate", func(d disagreement) bool {
		skipped := len(d.timestamps()) > 1 || slices.ContainsFunc(d.timestamps(), d.sameButCertificates)
		return d.refusesAs(verify.CertificateExpired) && d.sources() > 1 && skipped
	}},
	{"timestamp-not-der", func(d disagreement) bool { return d.oneToken(func(raw []byte) bool { return !isDER(raw) }) }},
	{"timestamp-key-usage", func(d disagreement) bool {
		return d.oursSays("certificate's key is not for signatures") && d.oneToken(d.byKeyForOtherUse)
	}},
	{"timestamp-attributes", func(d disagreement) bool { return d.oneToken(d.otherAttributes) }},
	{"timestamp-structure", func(d disagreement) bool { return d.oneToken(oddToken) }},
	{"timestamp-content-type", func(d disagreement) bool {
		return d.oneToken(func(raw []byte) bool { return bytes.Count(raw, []byte(stampInfoID)) < 2 })
	}},
	{"timestamp-signer-form", func(d disagreement) bool { return d.oneToken(oddSigner) }},
	{"token-certificate", func(d disagreement) bool {
		return (d.acceptsBut("unable to verify signed timestamps: ") || d.differ()) && slices.ContainsFunc(d.timestamps(), d.sameButCertificates)
	}},
	{"timestamps-of-one-authority", func(d disagreement) bool { return d.fewerTimes() && len(d.timestamps()) > 1 }},
}

// oneToken reports whether hallmark refuses the only timestamp, the only source
// of time, for being odd.
func (d disagreement) oneToken(odd func([]byte) bool) bool {
	return d.refusesAs(verify.TimestampInvalid, verify.TimestampUntrusted) && d.sources() == 1 && slices.ContainsFunc(d.timestamps(), odd)
}

var statementDisagreements = []explanation{
	{"statement-type", func(d disagreement) bool {
		s := d.statement()
		return d.refusesAs(verify.StatementInvalid) && s != nil && d.oursSays("_type is ") && !strings.HasPrefix(s.member("_type"), "https://in-toto.io/Statement/v")
	}},
	{"statement-predicate-type", func(d disagreement) bool {
		s := d.statement()
		return d.refusesAs(verify.StatementInvalid) && s != nil && d.oursSays("no predicateType") && s.member("predicateType") == ""
	}},
	{"statement-digest-form", func(d disagreement) bool {
		s := d.statement()
		return d.refusesAs(verify.StatementInvalid) && s != nil && d.oursSays("is not lower-case hex") &&
			slices.ContainsFunc(s.digests(), func(p place) bool { return !isHex(p.node().text) })
	}},
	{"statement-subject-without-digest", func(d disagreement) bool {
		s := d.statement()
		return d.refusesAs(verify.StatementInvalid) && s != nil && d.oursSays(": no digest") && s.subjects() > s.subjectsWithDigest()
	}},
	{"statement-several-digests", func(d disagreement) bool {
		s := d.statement()
		return d.acceptsBut("provided artifact digests do not match digests in statement") && s != nil && len(s.digests()) > 1
	}},
	{"statement-unknown-members", func(d disagreement) bool {
		return d.acceptsBut("decoding json") && d.statement() != nil
	}},
}

const disagreementsDoc = "../docs/disagreements.md"

// TestDisagreementsAreDocumented checks that the table and the page have the same rows.
func TestDisagreementsAreDocumented(t *testing.T) {
	var rows []string
	for line := range strings.Lines(string(read(t, disagreementsDoc))) {
		if cells := strings.Split(line, "|"); strings.HasPrefix(line, "| `") {
			rows = append(rows, strings.Trim(cells[1], " `"))
			if len(cells) != 8 || slices.ContainsFunc(cells[1:7], func(cell string) bool { return strings.TrimSpace(cell) == "" }) {
				t.Errorf("%s has a cell too few or too many, or an empty one", rows[len(rows)-1])
			}
		}
	}
	var ids []string
	for _, d := range disagreements {
		ids = append(ids, d.id)
		if !slices.Contains(rows, d.id) {
			t.Errorf("%s is no row of %s", d.id, disagreementsDoc)
		}
	}
	for _, row := range rows {
		if !slices.Contains(ids, row) {
			t.Errorf("%s explains nothing", row)
		}
	}
	slices.Sort(ids)
	if unique := slices.Compact(slices.Clone(ids)); len(unique) != len(ids) {
		t.Errorf("an id is there twice: %v", ids)
	}
}
