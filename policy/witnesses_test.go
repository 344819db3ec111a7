// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"crypto/ed25519"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

// TestWitnesses checks that a policy's witnesses are required in verification, and that keys
// which would count twice, or never, are refused.
func TestWitnesses(t *testing.T) {
	key := func(name string, seed byte, cosigning bool) string {
		public := ed25519.NewKeyFromSeed([]byte(strings.Repeat(string('a'+rune(seed)), ed25519.SeedSize))).Public()
		return checkpoint.Key{Name: name, Public: public.(ed25519.PublicKey), Cosigning: cosigning}.String()
	}
	const head = "version: 1\nsigners:\n  alice: {email: alice@example.com, issuer: https://login.example.com}\nrequire:\n  - signedBy: [alice]\n"
	w1, w2 := key("witness.example.com/1", 1, true), key("witness.example.com/2", 2, true)
	p, err := policy.Parse([]byte(head+"witnesses: {atLeast: 2, keys: ['"+w1+"', '"+w2+"']}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	v := p.Requirements(policy.Facts{})
	if len(v.WitnessPolicies) != 1 || len(v.WitnessPolicies[0].Witnesses()) != 2 || v.WitnessPolicies[0].Quorum.AtLeast != 2 {
		t.Errorf("%+v", v)
	}
	if text := strings.Join(p.Describe(), "\n"); !strings.Contains(text, "at least 2 of witness.example.com/1, witness.example.com/2") {
		t.Errorf("%s", text)
	}
	for name, witnesses := range map[string]string{
		"none of them":       "{atLeast: 0, keys: ['" + w1 + "']}",
		"no number":          "{keys: ['" + w1 + "']}",
		"more than keys":     "{atLeast: 2, keys: ['" + w1 + "']}",
		"no keys":            "{atLeast: 1}",
		"one key twice":      "{atLeast: 2, keys: ['" + w1 + "', '" + w1 + "']}",
		"one key, two names": "{atLeast: 2, keys: ['" + w1 + "', '" + key("another", 1, true) + "']}",
		"the key of a log":   "{atLeast: 1, keys: ['" + key("log.example.com", 3, false) + "']}",
		"no key at all":      "{atLeast: 1, keys: [witness]}",
		"unknown member":     "{atLeast: 1, keys: ['" + w1 + "'], atMost: 2}",
	} {
		if _, err := policy.Parse([]byte(head+"witnesses: "+witnesses+"\n"), nil); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
