// SPDX-License-Identifier: Apache-2.0

package ca

import (
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"

	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// checkKey checks that a certificate may name pub: "ECDSA NIST P-256, NIST
// P-384, or NIST P-521; RSA of key size 2048 to 4096 […], E = 65537, and
// containing no weak primes; ED25519". Sizes are those of the Sigstore
// algorithm registry.
func checkKey(pub crypto.PublicKey) error {
	if _, err := sigalg.ForKey(pub); err != nil {
		return err
	}
	key, ok := pub.(*rsa.PublicKey)
	if !ok {
		return nil // the parser of an elliptic curve key has checked that it is on the curve
	}
	if key.E != 65537 {
		return fmt.Errorf("RSA exponent is %d, want 65537", key.E)
	}
	if hasSmallFactor(key.N) {
		return errors.New("RSA modulus has a small factor")
	}
	if looksLikeROCA(key.N) {
		return errors.New("RSA modulus has the form of CVE-2017-15361 (ROCA)")
	}
	if hasCloseFactors(key.N) {
		return errors.New("RSA modulus has factors that are close to each other")
	}
	return nil
}

// smallFactors is the largest trial divisor of a modulus.
const smallFactors = 751

func hasSmallFactor(n *big.Int) bool {
	rest := new(big.Int)
	for f := int64(2); f <= smallFactors; f++ {
		if rest.Mod(n, big.NewInt(f)).Sign() == 0 {
			return true
		}
	}
	return false
}

// looksLikeROCA reports whether n may be a product of primes of the vulnerable
// library: modulo each of the first primes they are powers of 65537, and so are
// their products. The list has those primes modulo which not every number is
// such a power. Other moduli match with probability 2^-27. See "The Return of
// Coppersmith's Attack" (Nemec et al., 2017), §2.4.
func looksLikeROCA(n *big.Int) bool {
	rest := new(big.Int)
	for _, p := range []int64{11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157} {
		want := rest.Mod(n, big.NewInt(p)).Int64()
		power := int64(1)
		for power != want {
			if power = power * 65537 % p; power == 1 {
				return false
			}
		}
	}
	return true
}

// fermatRounds bounds the search of hasCloseFactors.
const fermatRounds = 100

// hasCloseFactors uses Fermat's factorization: n = a² - b², with a slightly
// above the square root of n.
func hasCloseFactors(n *big.Int) bool {
	a := new(big.Int).Sqrt(n)
	square, root := new(big.Int), new(big.Int)
	for range fermatRounds {
		if square.Sub(square.Mul(a, a), n); square.Sign() >= 0 {
			root.Sqrt(square)
			if root.Mul(root, root).Cmp(square) == 0 {
				return true
			}
		}
		a.Add(a, big.NewInt(1))
	}
	return false
}
