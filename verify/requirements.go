// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"crypto"
	"time"

	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/rekor"
)

// Requirements lists the requirements on a bundle. The zero value accepts nothing, since it
// lists no identities and no keys.
//
// A bundle with a certificate must match Identities, and one with a key must match Keys.
type Requirements struct {
	Identities []identity.Matcher // any one of them
	Keys       []crypto.PublicKey // any one of them, each with its algorithm of the registry

	// PredicateTypes lists the accepted predicate types of attestations, compared byte for
	// byte. Empty accepts any type, and signatures over the artifact's bytes.
	PredicateTypes []string

	// LogThreshold is the number of distinct logs that must contain the entry; 0 means 1.
	LogThreshold int

	// TimestampThreshold is the required number of distinct sources of time: timestamp
	// authorities, and logs of Rekor v1 by their signed entry timestamps. 0 means 1.
	TimestampThreshold int

	// WitnessPolicies lists witness policies. For each log a policy covers, the checkpoint of
	// every entry must carry cosignatures from a quorum of its witnesses.
	WitnessPolicies []checkpoint.WitnessPolicy

	// AnyIdentityUnsafe accepts every identity that the trusted root's authorities certify:
	// anyone who can log in. It is for inspecting a bundle whose signer is unknown.
	AnyIdentityUnsafe bool

	// SkipSCTUnsafe accepts certificates without an SCT, for private authorities without a
	// CT log. Misissued certificates are then not detected.
	SkipSCTUnsafe bool

	// NoLogUnsafe accepts bundles without a log entry, for organizations that keep
	// signatures out of logs. The use of a stolen key or identity then leaves no trace. An
	// existing entry must still verify.
	NoLogUnsafe bool

	// NoTimestampUnsafe accepts bundles with a key and without trusted time, since keys don't
	// expire here. A certificate always requires a time.
	NoTimestampUnsafe bool
}

// A Time is a time at which the signature existed, with its source: exactly one of Authority
// and Log is set.
type Time struct {
	Time      time.Time
	Authority *trust.Authority // by an RFC 3161 token
	Log       *trust.Log       // by the signed entry timestamp of Rekor v1
}

// Source returns the address of the source of the time.
func (t Time) Source() string {
	if t.Authority != nil {
		return t.Authority.URI
	}
	return t.Log.BaseURL
}

// An Entry is a verified log entry and the log that contains it.
type Entry struct {
	rekor.Entry
	Log       *trust.Log
	Witnesses []string // names of the witnesses in WitnessPolicies that have cosigned its checkpoint
}

func threshold(n int) int { return max(n, 1) }

// A party identifies a source. Two sources are distinct only if both their names and their
// keys differ.
type party struct{ name, key string }

// distinct returns the size of the largest set of parties in which no two share a name or a
// key: a matching of names and keys, found by augmenting paths.
func distinct(parties []party) int {
	held := map[string]string{} // key → the matched name
	var place func(name string, tried map[string]bool) bool
	place = func(name string, tried map[string]bool) bool {
		for _, p := range parties {
			if p.name != name || tried[p.key] {
				continue
			}
			tried[p.key] = true
			if holder, taken := held[p.key]; !taken || place(holder, tried) {
				held[p.key] = name
				return true
			}
		}
		return false
	}
	placed := map[string]bool{}
	for _, p := range parties {
		placed[p.name] = placed[p.name] || place(p.name, map[string]bool{})
	}
	return len(held)
}

func logParty(l *trust.Log) party {
	id := string(l.ID)
	if l.BaseURL == "" {
		return party{id, id}
	}
	return party{l.BaseURL, id}
}
