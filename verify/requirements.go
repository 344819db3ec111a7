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

// Requirements lists what a bundle must prove. The zero value accepts nothing: it
// names nobody.
//
// A bundle with a certificate is held to Identities, one with a key to Keys;
// neither ever satisfies the other.
type Requirements struct {
	Identities []identity.Matcher // any one of them
	Keys       []crypto.PublicKey // any one of them, each with its algorithm of the registry

	// PredicateTypes are what attestations may state, compared byte for byte.
	// Empty allows any, and signatures over the artifact's bytes, which state
	// nothing.
	PredicateTypes []string

	// LogThreshold is how many distinct logs must have the entry; 0 means 1.
	LogThreshold int

	// TimestampThreshold is how many distinct sources must say when the
	// signature existed: timestamp authorities, and logs of Rekor v1 by their
	// signed entry timestamps. 0 means 1.
	TimestampThreshold int

	// WitnessPolicies say which witnesses must have cosigned the checkpoint of each entry,
	// each of the logs that it covers: one that they have seen the log has shown to
	// others too.
	WitnessPolicies []checkpoint.WitnessPolicy

	// AnyIdentityUnsafe accepts every identity that the root's authorities
	// certify: anyone who can log in. It is for looking at a bundle, where the
	// identity is the question.
	AnyIdentityUnsafe bool

	// SkipSCTUnsafe accepts certificates that no CT log has promised to show, for
	// private authorities without a CT log. Misissue then stays unseen.
	SkipSCTUnsafe bool

	// NoLogUnsafe accepts bundles without log entry, for places that keep
	// signatures out of logs. A stolen key or identity then leaves no trace. An
	// entry that is there must still verify.
	NoLogUnsafe bool

	// NoTimestampUnsafe accepts bundles with a key and without trusted time, as
	// keys have no end of validity here. A certificate always needs the time.
	NoTimestampUnsafe bool
}

// Time is a time at which the signature existed, and who says so: exactly one
// of Authority and Log is set.
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

// Entry is a verified log entry and the log that has it.
type Entry struct {
	rekor.Entry
	Log       *trust.Log
	Witnesses []string // names of those in WitnessPolicies that have cosigned its checkpoint
}

func threshold(n int) int { return max(n, 1) }

// party tells sources apart that must be distinct. Two are one when either
// their name or their key is.
type party struct{ name, key string }

// distinct counts the parties of the largest choice in which no two share a name
// or a key: pairs of a name and a key, found by augmenting paths.
func distinct(parties []party) int {
	held := map[string]string{} // key → the name that has it
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
