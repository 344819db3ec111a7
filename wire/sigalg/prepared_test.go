package sigalg

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/fips140"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"filippo.io/nistec"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

func newECDSA(t testing.TB, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// ecdsaFrom makes the key of a secret, for secrets that nobody should have.
func ecdsaFrom(t testing.TB, c elliptic.Curve, secret *big.Int) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.ParseRawPrivateKey(c, secret.FillBytes(make([]byte, c.Params().BitSize/8)))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// warmUp gives the key with its table.
func warmUp(t testing.TB, p *Preparer, pub *ecdsa.PublicKey) *warmKey {
	t.Helper()
	if fips140.Enabled() {
		t.Skip("no tables in FIPS 140 mode")
	}
	warm := p.warm(pub)
	if warm == nil {
		t.Fatal("no table")
	}
	return warm
}

func encode(r, s *big.Int) []byte {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1BigInt(r)
		b.AddASN1BigInt(s)
	})
	return b.BytesOrPanic()
}

func decode(t testing.TB, sig []byte) (r, s *big.Int) {
	t.Helper()
	r, s = new(big.Int), new(big.Int)
	in := cryptobyte.String(sig)
	if !in.ReadASN1(&in, asn1.SEQUENCE) || !in.ReadASN1Integer(r) || !in.ReadASN1Integer(s) {
		t.Fatalf("not a signature: %x", sig)
	}
	return r, s
}

func curves() []elliptic.Curve { return []elliptic.Curve{elliptic.P256(), elliptic.P384()} }

// oddDigests are digests of all lengths and at the order's edge.
func oddDigests(n *big.Int) [][]byte {
	size := n.BitLen() / 8
	order := n.FillBytes(make([]byte, size))
	above := new(big.Int).Add(n, big.NewInt(1)).FillBytes(make([]byte, size))
	ones := make([]byte, 64)
	for i := range ones {
		ones[i] = 0xff
	}
	return [][]byte{
		nil, {0}, {1}, make([]byte, 20), make([]byte, 32), make([]byte, 48), make([]byte, 64),
		order, above, append(order, 1), ones, ones[:32], ones[:48], ones[:31],
	}
}

// oddSignatures are sig, and what must or must not pass in its place.
func oddSignatures(t testing.TB, n *big.Int, sig []byte) [][]byte {
	r, s := decode(t, sig)
	zero, one := new(big.Int), big.NewInt(1)
	all := [][]byte{
		nil, {0x30, 0}, {0x30, 3, 2, 1, 1}, sig, sig[:len(sig)-1], append(sig[:len(sig):len(sig)], 0),
		encode(s, r), encode(r, new(big.Int).Sub(n, s)), encode(new(big.Int).Sub(n, r), s),
		encode(r, new(big.Int).Add(s, n)), encode(new(big.Int).Add(r, n), s),
		encode(new(big.Int).Neg(r), s), encode(r, new(big.Int).Neg(s)),
		encode(r, new(big.Int).Lsh(one, 4096)), encode(new(big.Int).Lsh(one, 4096), s),
	}
	edges := []*big.Int{zero, one, big.NewInt(2), big.NewInt(-1), n, new(big.Int).Sub(n, one), new(big.Int).Add(n, one), new(big.Int).Lsh(n, 1)}
	for _, e := range edges {
		all = append(all, encode(e, s), encode(r, e))
		for _, f := range edges {
			all = append(all, encode(e, f))
		}
	}
	return append(all, oddEncodings(r, s)...)
}

// oddEncodings say the same as a signature that is right.
func oddEncodings(r, s *big.Int) [][]byte {
	padded := func(first byte, sequence asn1.Tag, tail ...byte) []byte {
		var b cryptobyte.Builder
		b.AddASN1(sequence, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.INTEGER, func(b *cryptobyte.Builder) { b.AddBytes(append([]byte{first, 0}, r.Bytes()...)) })
			b.AddASN1BigInt(s)
			b.AddBytes(tail)
		})
		return b.BytesOrPanic()
	}
	good := encode(r, s)
	long := append([]byte{0x30, 0x81}, good[1:]...)
	indefinite := append(append([]byte{0x30, 0x80}, good[2:]...), 0, 0)
	return [][]byte{padded(0, asn1.SEQUENCE), padded(0xff, asn1.SEQUENCE), padded(0, asn1.SET), padded(0, asn1.SEQUENCE, 5, 0), long, indefinite}
}

// same compares the answers, and tells them.
func same(t testing.TB, warm *warmKey, pub *ecdsa.PublicKey, digest, sig []byte) bool {
	t.Helper()
	want := ecdsa.VerifyASN1(pub, digest, sig)
	if got := warm.verify(digest, sig); got != want {
		t.Errorf("%s, digest %x, signature %x: %v, crypto/ecdsa: %v", pub.Params().Name, digest, sig, got, want)
	}
	return want
}

func TestPreparedAnswersAsTheStandardLibrary(t *testing.T) {
	for _, curve := range curves() {
		n, accepted := curve.Params().N, 0
		var p Preparer
		for range 2 {
			key := newECDSA(t, curve)
			warm := warmUp(t, &p, &key.PublicKey)
			for i, digest := range oddDigests(n) {
				sig, err := ecdsa.SignASN1(rand.Reader, key, digest)
				if err != nil {
					t.Fatal(err)
				}
				odd := oddSignatures(t, n, sig)
				if i%5 != 0 {
					odd = [][]byte{sig}
				}
				for _, odd := range odd {
					if same(t, warm, &key.PublicKey, digest, odd) {
						accepted++
					}
				}
			}
		}
		if accepted < 2*len(oddDigests(n)) {
			t.Errorf("%s: only %d were right", curve.Params().Name, accepted)
		}
	}
}

// With keys of known secrets near zero the two sums meet each other, their
// opposites and infinity on the way, and entries of both tables are the same.
func TestPreparedWhereSumsMeet(t *testing.T) {
	for _, curve := range curves() {
		n := curve.Params().N
		var p Preparer
		for _, secret := range []int64{1, 2, 3, 64, 65, 128, -1, -64} {
			d := new(big.Int).Mod(big.NewInt(secret), n)
			key := ecdsaFrom(t, curve, d)
			warm := warmUp(t, &p, &key.PublicKey)
			r, digests := meetings(n, d)
			for _, digest := range digests {
				for s := int64(1); s < 4; s++ {
					same(t, warm, &key.PublicKey, digest, encode(r, big.NewInt(s)))
					same(t, warm, &key.PublicKey, digest, encode(r, new(big.Int).Sub(n, big.NewInt(s))))
				}
				sig, err := ecdsa.SignASN1(rand.Reader, key, digest)
				if err != nil {
					t.Fatal(err)
				}
				if !same(t, warm, &key.PublicKey, digest, sig) {
					t.Errorf("%s, secret %d: a true signature is refused", curve.Params().Name, secret)
				}
			}
		}
	}
}

// meetings gives digests e and an r of which e·G is r·d·G, its opposite or a
// neighbour: [u]G + [v]Q is a doubling or infinity.
func meetings(n, d *big.Int) (*big.Int, [][]byte) {
	r, size := big.NewInt(7), n.BitLen()/8
	meet := new(big.Int).Mul(r, d)
	var digests [][]byte
	for _, off := range []int64{-1, 0, 1} {
		for _, sign := range []int64{1, -1} {
			e := new(big.Int).Mul(meet, big.NewInt(sign))
			e.Add(e, big.NewInt(off)).Mod(e, n)
			digests = append(digests, e.FillBytes(make([]byte, size)))
		}
	}
	return r, digests
}

// wrapping gives a right signature whose point has an x of n or more: r is x-n.
// x is the first from n up that is on the curve; with R known only as a point,
// Q = r⁻¹·(s·R − e·G) is the key of which it is a signature.
func wrapping(t testing.TB, c elliptic.Curve) (*ecdsa.PublicKey, []byte, []byte) {
	t.Helper()
	if c == elliptic.P256() {
		return wrappingOn(t, c, nistec.NewP256Point)
	}
	return wrappingOn(t, c, nistec.NewP384Point)
}

// scalable is a point of package nistec, with what only the test needs of it.
type scalable[P any] interface {
	Add(P, P) P
	Bytes() []byte
	ScalarBaseMult([]byte) (P, error)
	ScalarMult(P, []byte) (P, error)
	SetBytes([]byte) (P, error)
}

func wrappingOn[P scalable[P]](t testing.TB, c elliptic.Curve, newPoint func() P) (*ecdsa.PublicKey, []byte, []byte) {
	t.Helper()
	params, size := c.Params(), c.Params().BitSize/8
	scalar := func(k *big.Int) []byte { return k.FillBytes(make([]byte, size)) }
	must := func(p P, err error) P {
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for x := new(big.Int).Add(params.N, big.NewInt(1)); x.Cmp(params.P) < 0; x.Add(x, big.NewInt(1)) {
		point, err := newPoint().SetBytes(append([]byte{2}, scalar(x)...))
		if err != nil {
			continue
		}
		r, s, e := new(big.Int).Sub(x, params.N), big.NewInt(5), big.NewInt(3)
		sum := must(newPoint().ScalarMult(point, scalar(s)))
		sum.Add(sum, must(newPoint().ScalarBaseMult(scalar(new(big.Int).Sub(params.N, e)))))
		q := must(newPoint().ScalarMult(sum, scalar(new(big.Int).ModInverse(r, params.N))))
		pub, err := ecdsa.ParseUncompressedPublicKey(c, q.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		return pub, scalar(e), encode(r, s)
	}
	t.Fatal("no x between the order and the prime")
	return nil, nil, nil
}

func TestPreparedWhereXWraps(t *testing.T) {
	for _, curve := range curves() {
		pub, digest, sig := wrapping(t, curve)
		if warm := warmUp(t, new(Preparer), pub); !same(t, warm, pub, digest, sig) {
			t.Errorf("%s: crypto/ecdsa refuses it", curve.Params().Name)
		}
	}
}

func FuzzPrepared(f *testing.F) {
	var p Preparer
	keys := map[bool]*ecdsa.PrivateKey{true: ecdsaFrom(f, elliptic.P256(), big.NewInt(3)), false: ecdsaFrom(f, elliptic.P384(), big.NewInt(3))}
	warm := map[bool]*warmKey{}
	for short, key := range keys {
		warm[short] = warmUp(f, &p, &key.PublicKey)
		digest := sha256.Sum256([]byte("message"))
		sig, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
		if err != nil {
			f.Fatal(err)
		}
		for _, odd := range oddSignatures(f, key.Params().N, sig) {
			f.Add(short, digest[:], odd)
		}
	}
	f.Fuzz(func(t *testing.T, short bool, digest, sig []byte) {
		same(t, warm[short], &keys[short].PublicKey, digest, sig)
	})
}

// The table comes with the sixteenth signature, once, whoever verifies then.
func TestPreparedConcurrently(t *testing.T) {
	for _, curve := range curves() {
		var p Preparer
		key := newECDSA(t, curve)
		k := p.Prepare(&key.PublicKey)
		digest := sha256.Sum256([]byte("message"))
		sig, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		for range warmAfter - 1 {
			VerifyECDSA(k, digest[:], sig)
		}
		if k.warm.Load() != nil {
			t.Error("a table before it pays")
		}
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				for range 20 {
					if !VerifyECDSA(k, digest[:], sig) || VerifyECDSA(k, digest[1:], sig) {
						t.Error("wrong answer")
					}
				}
			})
		}
		group.Wait()
		if warm := k.warm.Load(); (warm == nil) != fips140.Enabled() || k.warmed() != warm {
			t.Errorf("table %v", warm)
		}
	}
}

// A prepared key is what it stands for, of whatever kind.
func TestPreparedStandsForItsKey(t *testing.T) {
	edPub, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	var p Preparer
	for _, key := range []crypto.Signer{edKey, rsaKey, newECDSA(t, elliptic.P256()), newECDSA(t, elliptic.P384()), newECDSA(t, elliptic.P521())} {
		k := p.Prepare(key.Public())
		want, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		for _, pub := range []crypto.PublicKey{k, key.Public()} {
			if der, err := PKIX(pub); err != nil || !bytes.Equal(der, want) {
				t.Errorf("%T: %x, %v", key, der, err)
			}
		}
		all, err := AllForKey(k)
		if err != nil || p.Prepare(k) != k {
			t.Fatalf("%T: %v", key, err)
		}
		for _, alg := range all {
			sig, err := alg.Sign(rand.Reader, key, []byte("message"))
			if err != nil {
				t.Fatal(err)
			}
			for range warmAfter + 2 {
				if err := alg.Verify(k, []byte("message"), sig); err != nil {
					t.Errorf("%s: %v", alg.Name, err)
				}
				if err := alg.Verify(k, []byte("massage"), sig); !errors.Is(err, ErrSignature) {
					t.Errorf("%s, another message: %v", alg.Name, err)
				}
			}
		}
	}
	if VerifyECDSA(p.Prepare(edPub), nil, nil) || VerifyECDSA(p.Prepare(nil), nil, nil) || VerifyECDSA(nil, nil, nil) {
		t.Error("what is no ECDSA key has verified")
	}
}

// Keys that are none make no table, and fit nothing.
func TestPreparedBrokenKeys(t *testing.T) {
	good := newECDSA(t, elliptic.P256())
	digest := sha256.Sum256([]byte("message"))
	sig, err := ecdsa.SignASN1(rand.Reader, good, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	for name, pub := range map[string]*ecdsa.PublicKey{
		"off the curve": {Curve: elliptic.P256(), X: good.X, Y: new(big.Int).Add(good.Y, big.NewInt(1))},
		"negative":      {Curve: elliptic.P256(), X: new(big.Int).Neg(good.X), Y: good.Y},
		"beyond":        {Curve: elliptic.P256(), X: new(big.Int).Add(good.X, good.Params().P), Y: good.Y},
		"zero":          {Curve: elliptic.P384(), X: new(big.Int), Y: new(big.Int)},
	} {
		k := new(Preparer).Prepare(pub)
		for range warmAfter + 1 {
			if VerifyECDSA(k, digest[:], sig) {
				t.Errorf("%s: verified", name)
			}
		}
		if k.warm.Load() != nil {
			t.Errorf("%s: has a table", name)
		}
	}
}

// In FIPS 140 mode the module that is validated verifies.
func TestPreparedInFIPSMode(t *testing.T) {
	if fips140.Enabled() {
		t.Skip("this is the process that another has started")
	}
	run := exec.Command(os.Args[0], "-test.run=^TestPrepared(Concurrently|StandsForItsKey)$", "-test.v")
	run.Env = append(os.Environ(), "GODEBUG=fips140=on")
	out, err := run.CombinedOutput()
	if err != nil || strings.Count(string(out), "--- PASS") != 2 {
		t.Errorf("%v\n%s", err, out)
	}
}

func BenchmarkVerifyECDSA(b *testing.B) {
	for _, curve := range curves() {
		key := newECDSA(b, curve)
		digest := sha256.Sum256([]byte("message"))
		sig, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
		if err != nil {
			b.Fatal(err)
		}
		var p Preparer
		warm := warmUp(b, &p, &key.PublicKey)
		for name, verify := range map[string]func() bool{
			"cold":  func() bool { return VerifyECDSA(&key.PublicKey, digest[:], sig) },
			"warm":  func() bool { return warm.verify(digest[:], sig) },
			"table": func() bool { return p.warm(&key.PublicKey) != nil },
		} {
			b.Run(curve.Params().Name+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if !verify() {
						b.Fatal("refused")
					}
				}
			})
		}
	}
}
