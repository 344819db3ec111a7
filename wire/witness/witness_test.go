// SPDX-License-Identifier: Apache-2.0

package witness

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// example is the example of the specification, without real signatures.
const example = `old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe
`

func TestExample(t *testing.T) {
	r, err := ParseRequest([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	if r.Old != 20852014 || len(r.Proof) != 4 || !strings.HasPrefix(string(r.Checkpoint), "example.com/behind-the-sofa\n20852163\n") {
		t.Errorf("%+v", r)
	}
	raw, err := r.Marshal()
	if err != nil || string(raw) != example {
		t.Errorf("%s, %v", raw, err)
	}
	first, err := ParseRequest([]byte("old 0\n\nthe first checkpoint\n"))
	if err != nil || first.Old != 0 || first.Proof != nil {
		t.Errorf("%+v, %v", first, err)
	}
}

func TestRefusals(t *testing.T) {
	const hash = "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"
	for name, raw := range map[string]string{
		"empty":                 "",
		"no old size":           hash + "\ncheckpoint\n",
		"leading zero":          "old 01\n\nx\n",
		"sign":                  "old +1\n\nx\n",
		"two spaces":            "old  1\n\nx\n",
		"too large a size":      "old 9223372036854775808\n\nx\n",
		"no empty line":         "old 1\n" + hash,
		"short hash":            "old 1\nPlRN\n\nx\n",
		"hash with carriage":    "old 1\n" + strings.Replace(hash, "\n", "\r\n", 1) + "\nx\n",
		"hash with loose bits":  "old 1\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkax=\n\nx\n",
		"too many proof lines":  "old 1\n" + strings.Repeat(hash, maxProof+1) + "\nx\n",
		"longer than the limit": "old 1\n\n" + strings.Repeat("x", MaxRequest),
	} {
		if _, err := ParseRequest([]byte(raw)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := (Request{Proof: make([]tlog.Hash, maxProof+1)}).Marshal(); !errors.Is(err, ErrMalformed) {
		t.Errorf("long proof: %v", err)
	}
}

func TestParseSize(t *testing.T) {
	if size, err := ParseSize([]byte("20852014\n")); err != nil || size != 20852014 {
		t.Errorf("%d, %v", size, err)
	}
	for _, raw := range []string{"", "\n", "1", "01\n", "-1\n", "1\n\n", "1 \n", "99999999999999999999\n"} {
		if _, err := ParseSize([]byte(raw)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(example))
	f.Add([]byte("old 0\n\nx\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := ParseRequest(raw)
		if err != nil {
			return
		}
		again, err := r.Marshal()
		if err != nil || !bytes.Equal(again, raw) {
			t.Errorf("%q became %q, %v", raw, again, err)
		}
	})
}
