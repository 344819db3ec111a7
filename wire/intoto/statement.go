// SPDX-License-Identifier: Apache-2.0

package intoto

import (
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The statement types that [Parse] accepts: v1, which this package writes, and
// v0.1, which older attestations carry.
const (
	TypeV1  = "https://in-toto.io/Statement/v1"
	typeV01 = "https://in-toto.io/Statement/v0.1"
)

// TypeSigned is the predicate type of a statement that only signs its subjects,
// with an empty predicate. Like cosign 3, hallmark uses it to sign images.
const TypeSigned = "https://sigstore.dev/cosign/sign/v1"

// Limits of a statement. They are checked while it is decoded.
const (
	MaxSubjects = 10_000          // subjects
	maxDigests  = 3 * MaxSubjects // digests of all subjects together
)

// ErrStatement is matched by every error of [Parse].
var ErrStatement = errors.New("not an in-toto statement")

// A Statement is an in-toto statement:
//
//	{"_type":"https://in-toto.io/Statement/v1",
//	 "subject":[{"name":"hallmark.tar.gz","digest":{"sha256":"5891b5…"}}],
//	 "predicateType":"https://slsa.dev/provenance/v1",
//	 "predicate":{…}}
type Statement struct {
	Type          string         `json:"_type"`
	Subject       []Subject      `json:"subject"`
	PredicateType string         `json:"predicateType"`
	Predicate     jsontext.Value `json:"predicate,omitempty"`
}

// A Subject is a resource descriptor: an artifact by digest. Name is a label;
// only the digest identifies the artifact (statement.md, "subject").
type Subject struct {
	Name   string            `json:"name,omitempty"`
	Digest map[string]string `json:"digest"` // algorithm → lower-case hex
}

// Parse parses a statement. Unknown members of the statement and of its
// subjects are allowed, as statement.md requires of consumers. The returned
// predicate aliases payload, since it may have a hundred megabytes. Errors
// match [ErrStatement].
func Parse(payload []byte) (Statement, error) {
	if err := checkNames(payload); err != nil {
		return Statement{}, fmt.Errorf("parsing statement: %w: %w", ErrStatement, err)
	}
	var s Statement
	count := &counter{}
	part := func(d *jsontext.Decoder, v *jsontext.Value) error { return partOf(payload, d, v) }
	limits := json.WithUnmarshalers(json.JoinUnmarshalers(json.UnmarshalFromFunc(count.subjects), json.UnmarshalFromFunc(count.digests), json.UnmarshalFromFunc(part)))
	if err := json.Unmarshal(payload, &s, limits); err != nil {
		return Statement{}, fmt.Errorf("parsing statement: %w: %w", ErrStatement, err)
	}
	if err := s.check(); err != nil {
		return Statement{}, fmt.Errorf("parsing statement: %w: %w", ErrStatement, err)
	}
	return s, nil
}

// partOf reads a value as a subslice of payload.
func partOf(payload []byte, d *jsontext.Decoder, v *jsontext.Value) error {
	read, err := d.ReadValue()
	if err != nil {
		return err
	}
	end := int(d.InputOffset())
	*v = payload[end-len(read) : end : end]
	return nil
}

// A counter bounds the subjects and digests of a statement while they are
// decoded.
type counter struct{ digested int }

func (c *counter) subjects(d *jsontext.Decoder, all *[]Subject) error {
	if d.PeekKind() != '[' {
		return errors.New("subject is not a list")
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for *all = nil; d.PeekKind() != ']'; {
		if len(*all) == MaxSubjects {
			return fmt.Errorf("more than %d subjects", MaxSubjects)
		}
		var subject Subject
		if err := json.UnmarshalDecode(d, &subject, d.Options()); err != nil {
			return err
		}
		*all = append(*all, subject)
	}
	_, err := d.ReadToken()
	return err
}

func (c *counter) digests(d *jsontext.Decoder, all *map[string]string) error {
	if d.PeekKind() != '{' {
		return errors.New("digest is not an object")
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for *all = map[string]string{}; d.PeekKind() != '}'; c.digested++ {
		if c.digested == maxDigests {
			return fmt.Errorf("more than %d digests", maxDigests)
		}
		var algorithm, value string
		if err := errors.Join(json.UnmarshalDecode(d, &algorithm), json.UnmarshalDecode(d, &value)); err != nil {
			return err
		}
		(*all)[algorithm] = value
	}
	_, err := d.ReadToken()
	return err
}

// Marshal returns the statement as JSON, which [Parse] reads. The predicate is
// copied once, unchanged.
func (s Statement) Marshal() ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("marshalling statement: %w: %w", ErrStatement, err)
	}
	predicate := s.Predicate
	s.Predicate = nil
	raw, err := json.Marshal(s, json.Deterministic(true))
	if err != nil || len(predicate) == 0 {
		return raw, err
	}
	if !predicate.IsValid() {
		return nil, fmt.Errorf("marshalling statement: %w: the predicate is not JSON", ErrStatement)
	}
	const name = `,"predicate":`
	out := make([]byte, 0, len(raw)+len(name)+len(predicate))
	out = append(append(out, raw[:len(raw)-1]...), name...)
	return append(append(out, predicate...), '}'), nil
}

func (s Statement) check() error {
	if s.Type != TypeV1 && s.Type != typeV01 {
		return fmt.Errorf("_type is %.100q", s.Type)
	}
	if s.PredicateType == "" {
		return errors.New("no predicateType")
	}
	if len(s.Subject) == 0 || len(s.Subject) > MaxSubjects {
		return fmt.Errorf("%d subjects, want 1 to %d", len(s.Subject), MaxSubjects)
	}
	for i, subject := range s.Subject {
		if err := subject.check(); err != nil {
			return fmt.Errorf("subject %d: %w", i, err)
		}
	}
	return nil
}

// check checks the digests against digest_set.md: at least one, and values in
// lower-case hex for the algorithms that hash bytes. Digests of other
// algorithms (git trees, for example) are not checked.
func (s Subject) check() error {
	if len(s.Digest) == 0 {
		return errors.New("no digest")
	}
	for _, algorithm := range []string{"sha256", "sha384", "sha512"} {
		value, ok := s.Digest[algorithm]
		if !ok {
			continue
		}
		raw, err := hex.DecodeString(value)
		if err != nil || hex.EncodeToString(raw) != value {
			return fmt.Errorf("%s digest %.140q is not lower-case hex", algorithm, value)
		}
	}
	return nil
}

// HasSubject reports whether one of the subjects has this digest. algorithm is
// a name from digest_set.md, for example sha256.
func (s Statement) HasSubject(algorithm string, digest []byte) bool {
	want := []byte(hex.EncodeToString(digest))
	for _, subject := range s.Subject {
		if len(digest) > 0 && subtle.ConstantTimeCompare([]byte(subject.Digest[algorithm]), want) == 1 {
			return true
		}
	}
	return false
}
