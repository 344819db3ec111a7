// SPDX-License-Identifier: Apache-2.0

package ca

import (
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/internal/testkit"
)

func TestWeakModuli(t *testing.T) {
	good := testkit.RSA(t, 2048)
	if err := checkKey(good.Public()); err != nil {
		t.Error(err)
	}
	p, err := rand.Prime(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	next := new(big.Int).Add(p, big.NewInt(2))
	for !next.ProbablyPrime(20) {
		next.Add(next, big.NewInt(2))
	}
	small := new(big.Int).Rsh(good.N, 10)
	small.Mul(small, big.NewInt(751)).SetBit(small, 2047, 1)
	small.Sub(small, new(big.Int).Mod(small, big.NewInt(751)))
	for n, want := range map[*big.Int]string{
		new(big.Int).Sub(good.N, big.NewInt(1)): "small factor",
		small:                                   "small factor",
		new(big.Int).Mul(p, next):               "close to each other",
		new(big.Int).Mul(p, p):                  "close to each other",
		roca():                                  "ROCA",
	} {
		if n.BitLen() != 2048 {
			t.Fatalf("%s: %d bits", want, n.BitLen())
		}
		if err := checkKey(&rsa.PublicKey{N: n, E: 65537}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	for _, e := range []int{1, 2, 3, 17, 65536, 65539, 1<<31 - 1} {
		if err := checkKey(&rsa.PublicKey{N: good.N, E: e}); err == nil {
			t.Errorf("exponent %d: accepted", e)
		}
	}
}

// roca returns a modulus of the form that the library produced: factors k·M + (65537^a mod M),
// where M is the product of the first primes. A product of such factors has the same form, so
// one factor is enough here; the check does not require two primes.
func roca() *big.Int {
	m := big.NewInt(1)
	for n := int64(2); n <= smallFactors; n++ {
		if big.NewInt(n).ProbablyPrime(0) {
			m.Mul(m, big.NewInt(n))
		}
	}
	n := new(big.Int).Exp(big.NewInt(65537), big.NewInt(12345), m)
	k := new(big.Int).Lsh(big.NewInt(1), 2047)
	k.Div(k, m)
	return n.Add(n, k.Add(k, big.NewInt(1)).Mul(k, m))
}
