// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/attestations"
)

const (
	// proofDigits is the number of hexadecimal digits per proof in a name.
	proofDigits = 6
	// maxProofs keeps names below the 255 bytes of file systems.
	maxProofs = 16
)

// A record is the name of a bundle's file.
type record struct {
	id     int
	entry  string // log ID and index
	kind   string // short form of the statement's predicate type
	signer string // short form of the certificate's issuer and subject; empty in older stores
	proofs string // proofs in order, proofDigits each
	size   int64  // of the file; not part of the name
}

func recordOf(r *verify.Result, size int64) record {
	predicateType := ""
	if r.Statement != nil {
		predicateType = r.Statement.PredicateType
	}
	return record{
		entry:  fmt.Sprintf("%x-%d", r.Entries[0].LogID, r.Entries[0].LogIndex),
		kind:   kindOf(predicateType),
		signer: short(16, r.Identity.Issuer, r.Identity.Subject.Value),
		proofs: proofsOf(r),
		size:   size,
	}
}

// kindOf returns a short form of a predicate type that is unique within a
// subject.
func kindOf(predicateType string) string {
	if predicateType == "" {
		return "none"
	}
	return short(16, predicateType)
}

// proofsOf returns the logs, witnesses and timestamp authorities of a
// signature, each once.
func proofsOf(r *verify.Result) string {
	var all []string
	for _, e := range r.Entries {
		all = append(all, short(proofDigits, "log", string(e.LogID)))
		for _, name := range e.Witnesses {
			all = append(all, short(proofDigits, "witness", name, string(e.LogID)))
		}
	}
	for _, t := range r.Times {
		if t.Authority != nil {
			all = append(all, short(proofDigits, "timestamp", string(t.Authority.Chain[0].Raw)))
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	return strings.Join(all[:min(len(all), maxProofs)], "")
}

// short returns the first digits of the hash of parts.
func short(digits int, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])[:digits]
}

// covers reports whether h makes other superfluous: both are of one log entry,
// and h has all proofs of other.
func (h record) covers(other record) bool {
	if h.entry != other.entry {
		return false
	}
	has := slices.Collect(slices.Chunk([]byte(h.proofs), proofDigits))
	for proof := range slices.Chunk([]byte(other.proofs), proofDigits) {
		if !slices.ContainsFunc(has, func(one []byte) bool { return string(one) == string(proof) }) {
			return false
		}
	}
	return true
}

// among returns the id of r among the records of its subject: that of a record
// that covers it, or the next one. Errors match errSubjectFull.
func (r record) among(held []record) (id int, there bool, err error) {
	id = 1
	own, others := share{1, r.size}, share{}
	for _, h := range held {
		if h.covers(r) {
			return h.id, true, nil
		}
		id = h.id + 1
		if h.signer == r.signer {
			own = share{own.bundles + 1, own.bytes + h.size}
		} else {
			others = share{others.bundles + 1, others.bytes + h.size}
		}
	}
	if !own.fits(others) {
		return 0, false, errSubjectFull
	}
	return id, false, nil
}

// A share is the space that a signer uses of a subject.
type share struct {
	bundles int
	bytes   int64
}

// fits reports whether a signer has at most half of what the others leave, so
// that the next signer finds room.
func (own share) fits(others share) bool {
	return 2*own.bundles <= attestations.MaxBundles-others.bundles && 2*own.bytes <= attestations.MaxBytes-others.bytes
}

// file returns the record's file name, which parseRecord reads.
func (r record) file() string {
	name := fmt.Sprintf("%06d-%s-%s", r.id, r.entry, r.kind)
	if r.signer != "" {
		name += "-" + r.signer + "-" + r.proofs
	}
	return name + ".json"
}

// parseRecord parses a file name. Files with other names do not belong to the
// store.
func parseRecord(name string) (record, bool) {
	parts := strings.Split(strings.TrimSuffix(name, ".json"), "-")
	if len(parts) != 4 && len(parts) != 6 {
		return record{}, false
	}
	id, err := strconv.Atoi(parts[0])
	r := record{id: id, entry: parts[1] + "-" + parts[2], kind: parts[3]}
	if len(parts) == 6 {
		r.signer, r.proofs = parts[4], parts[5]
	}
	return r, err == nil && r.id > 0 && r.file() == name
}
