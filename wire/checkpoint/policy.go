// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Limits of a policy. The specification requires at least 32 of each.
const (
	MaxWitnessPolicy = 64 << 10 // bytes
	maxDefined       = 128      // logs, witnesses and groups together
)

// ErrWitnessPolicy is matched by every error about a policy file.
var ErrWitnessPolicy = errors.New("malformed log policy")

// A WitnessPolicy lists the witnesses that must cosign a checkpoint (C2SP
// tlog-policy).
//
//	log sign.example.com+8075dfc6+AZfo…
//	witness w1 witness.example.com+2ce6c6f4+BP0X…
//	witness w2 witness.example.net+8f3c9b1a+BEt2…
//	group both all w1 w2
//	quorum both
type WitnessPolicy struct {
	Logs   []Key  // logs that the policy covers; empty: every log
	Quorum Quorum // the zero value requires no cosignature
}

// A Quorum is one witness, or at least AtLeast of the quorums Of.
type Quorum struct {
	Witness *Key // nil: AtLeast and Of apply
	AtLeast int
	Of      []Quorum
}

// AtLeast returns the policy that k of the witnesses must have cosigned.
func AtLeast(k int, witnesses []Key, logs ...Key) WitnessPolicy {
	q := Quorum{AtLeast: k}
	for i := range witnesses {
		q.Of = append(q.Of, Quorum{Witness: &witnesses[i]})
	}
	return WitnessPolicy{Logs: logs, Quorum: q}
}

// Covers reports whether the policy applies to the log with the given origin.
func (p WitnessPolicy) Covers(origin string) bool {
	return len(p.Logs) == 0 || slices.ContainsFunc(p.Logs, func(k Key) bool { return k.Name == origin })
}

// Witnesses returns the witnesses whose cosignatures count, in the policy's
// order.
func (p WitnessPolicy) Witnesses() []Key { return p.Quorum.witnesses(nil) }

func (q Quorum) witnesses(all []Key) []Key {
	if q.Witness != nil {
		return append(all, *q.Witness)
	}
	for _, one := range q.Of {
		all = one.witnesses(all)
	}
	return all
}

// Met reports whether the witnesses for which cosigned returns true form a
// quorum.
func (q Quorum) Met(cosigned func(Key) bool) bool {
	if q.Witness != nil {
		return cosigned(*q.Witness)
	}
	met := 0
	for _, one := range q.Of {
		if one.Met(cosigned) {
			met++
		}
	}
	return met >= q.AtLeast
}

// String returns the quorum in words: "2 of a, b, (1 of c, d)".
func (q Quorum) String() string {
	if q.Witness != nil {
		return q.Witness.Name
	}
	var of []string
	for _, one := range q.Of {
		text := one.String()
		if one.Witness == nil {
			text = "(" + text + ")"
		}
		of = append(of, text)
	}
	return fmt.Sprintf("%d of %s", q.AtLeast, strings.Join(of, ", "))
}

// Marshal returns the policy file. The quorum must be a group of witnesses, as
// [AtLeast] returns it.
func (p WitnessPolicy) Marshal() []byte {
	var b []byte
	for _, log := range p.Logs {
		b = fmt.Appendf(b, "log %s\n", log)
	}
	group := fmt.Sprintf("group witnesses %d", p.Quorum.AtLeast)
	for i, one := range p.Quorum.Of {
		b = fmt.Appendf(b, "witness w%d %s\n", i+1, *one.Witness)
		group += fmt.Sprintf(" w%d", i+1)
	}
	return fmt.Appendf(b, "%s\nquorum witnesses\n", group)
}

// ParseWitnessPolicy parses a policy file. Logs and witnesses must have Ed25519 keys.
// Errors match [ErrWitnessPolicy].
func ParseWitnessPolicy(raw []byte) (WitnessPolicy, error) {
	p, err := parsePolicy(raw)
	if err != nil {
		return WitnessPolicy{}, fmt.Errorf("%w: %w", ErrWitnessPolicy, err)
	}
	return p, nil
}

func parsePolicy(raw []byte) (WitnessPolicy, error) {
	if len(raw) > MaxWitnessPolicy {
		return WitnessPolicy{}, fmt.Errorf("longer than %d bytes", MaxWitnessPolicy)
	}
	if i := slices.IndexFunc(raw, func(c byte) bool { return c < ' ' && c != '\t' && c != '\n' || c == 0x7f }); i >= 0 {
		return WitnessPolicy{}, fmt.Errorf("byte %d is a control character", i)
	}
	if len(raw) == 0 || raw[len(raw)-1] != '\n' {
		return WitnessPolicy{}, errors.New("the last line does not end in a newline")
	}
	r := policyReader{defined: map[string]Quorum{}, member: map[string]bool{}}
	for n, line := range strings.Split(string(raw), "\n") {
		words := strings.FieldsFunc(line, func(c rune) bool { return c == ' ' || c == '\t' })
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if err := r.line(words); err != nil {
			return WitnessPolicy{}, fmt.Errorf("line %d: %w", n+1, err)
		}
	}
	if !r.done {
		return WitnessPolicy{}, errors.New("no quorum")
	}
	return r.WitnessPolicy, nil
}

// A policyReader reads a policy line by line.
type policyReader struct {
	WitnessPolicy
	defined   map[string]Quorum // witnesses and groups, by name
	member    map[string]bool   // names that are in a group
	witnesses []Key
	done      bool // a quorum line was read
}

func (r *policyReader) line(words []string) error {
	if len(r.Logs)+len(r.defined) >= maxDefined {
		return fmt.Errorf("more than %d logs, witnesses and groups", maxDefined)
	}
	switch kind := words[0]; {
	case kind == "log" && (len(words) == 2 || len(words) == 3):
		key, err := distinctKey(words[1], false, r.Logs)
		r.Logs = append(r.Logs, key)
		return err
	case kind == "witness" && (len(words) == 3 || len(words) == 4):
		key, err := distinctKey(words[2], true, r.witnesses)
		if err != nil {
			return err
		}
		r.witnesses = append(r.witnesses, key)
		return r.define(words[1], Quorum{Witness: &key})
	case kind == "group" && len(words) >= 4:
		return r.group(words[1], words[2], words[3:])
	case kind == "quorum" && len(words) == 2:
		return r.quorum(words[1])
	}
	return fmt.Errorf("%.40q with %d words is not a log, witness, group or quorum line", words[0], len(words))
}

// distinctKey parses a key and refuses one that already occurs in before.
func distinctKey(text string, cosigning bool, before []Key) (Key, error) {
	key, err := ParseKey(text)
	switch {
	case err != nil:
		return key, err
	case key.Cosigning != cosigning:
		return key, errors.New("the key of a witness is used for a log, or that of a log for a witness")
	case slices.ContainsFunc(before, func(k Key) bool { return k.Public.Equal(key.Public) }):
		return key, errors.New("the key occurs twice")
	}
	return key, nil
}

func (r *policyReader) define(name string, q Quorum) error {
	if _, twice := r.defined[name]; twice || name == "none" {
		return fmt.Errorf("%.40q is already defined", name)
	}
	r.defined[name] = q
	return nil
}

func (r *policyReader) group(name, least string, members []string) error {
	q := Quorum{}
	for _, member := range members {
		one, ok := r.defined[member]
		if !ok || r.member[member] {
			return fmt.Errorf("member %.40q is not yet defined, or already in a group", member)
		}
		r.member[member] = true
		q.Of = append(q.Of, one)
	}
	switch least {
	case "all":
		q.AtLeast = len(members)
	case "any":
		q.AtLeast = 1
	default:
		k, err := strconv.ParseUint(least, 10, 16)
		if err != nil || k < 1 || int(k) > len(members) || strconv.FormatUint(k, 10) != least {
			return fmt.Errorf("%.40q of %d members", least, len(members))
		}
		q.AtLeast = int(k)
	}
	return r.define(name, q)
}

func (r *policyReader) quorum(name string) error {
	q, ok := r.defined[name]
	if r.done || !ok && name != "none" {
		return fmt.Errorf("quorum %.40q is not defined, or there is a second quorum", name)
	}
	r.Quorum, r.done = q, true
	return nil
}
