package sigalg

import (
	"math/big"

	"filippo.io/nistec"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// A scalar is cut into windows of so many bits, least first, and each window is
// made a digit in [-half+1, half] by lending from the next. The length divides
// no curve's, so the last window has room for what it has lent.
const (
	window = 7
	half   = 1 << (window - 1)
)

// point is a point of one of nistec's curves, whose sums are right for every
// pair of points, equal and opposite ones and infinity among them.
type point[P any] interface {
	Set(P) P
	SetBytes([]byte) (P, error)
	Add(P, P) P
	Double(P) P
	Negate(P) P
	BytesX() ([]byte, error)
}

// table has the multiples 1 to half of a point Q, times 2^(window·i) in row i,
// so that a multiple of Q is a sum of one entry of each row.
type table[P point[P]] [][]P

func newTable[P point[P]](q P, infinity func() P, bits int) table[P] {
	t := make(table[P], (bits+window-1)/window)
	base := infinity().Set(q)
	for i := range t {
		row := make([]P, half)
		row[0] = infinity().Set(base)
		for j := 1; j < half; j++ {
			row[j] = infinity().Add(row[j-1], base)
		}
		t[i] = row
		base.Double(row[half-1]) // 2 · 2^(window-1) · base
	}
	return t
}

// add adds [scalar]Q to plus − minus.
func (t table[P]) add(plus, minus P, scalar []byte) {
	lent := 0
	for i, row := range t {
		digit := windowAt(scalar, i*window) + lent
		lent = 0
		if digit > half {
			digit, lent = digit-2*half, 1
		}
		switch {
		case digit > 0:
			plus.Add(plus, row[digit-1])
		case digit < 0:
			minus.Add(minus, row[-digit-1])
		}
	}
}

// windowAt reads a window of a big-endian number, from the bit that many from
// the least.
func windowAt(number []byte, bit int) int {
	at := len(number) - 1 - bit/8
	v := int(number[at])
	if at > 0 {
		v |= int(number[at-1]) << 8
	}
	return v >> (bit % 8) & (2*half - 1)
}

func sum256(key []byte) (func(u, v []byte) ([]byte, error), error) {
	q, err := nistec.NewP256Point().SetBytes(key)
	if err != nil {
		return nil, err
	}
	multiples := newTable(q, nistec.NewP256Point, 256)
	return func(u, v []byte) ([]byte, error) {
		plus, minus := nistec.NewP256Point(), nistec.NewP256Point()
		if _, err := plus.ScalarBaseMult(u); err != nil {
			return nil, err
		}
		multiples.add(plus, minus, v)
		return plus.Add(plus, minus.Negate(minus)).BytesX()
	}, nil
}

func sum384(key []byte, generator table[*nistec.P384Point]) (func(u, v []byte) ([]byte, error), error) {
	q, err := nistec.NewP384Point().SetBytes(key)
	if err != nil {
		return nil, err
	}
	multiples := newTable(q, nistec.NewP384Point, 384)
	return func(u, v []byte) ([]byte, error) {
		plus, minus := nistec.NewP384Point(), nistec.NewP384Point()
		generator.add(plus, minus, u)
		multiples.add(plus, minus, v)
		return plus.Add(plus, minus.Negate(minus)).BytesX()
	}, nil
}

// parse reads a signature in strict DER, and says whether r and s are in
// [1, n-1].
//
//	Ecdsa-Sig-Value ::= SEQUENCE { r INTEGER, s INTEGER }
func (k *warmKey) parse(sig []byte, r, s *big.Int) bool {
	var body cryptobyte.String
	var rBytes, sBytes []byte // without leading zeros; negative numbers don't fit
	in := cryptobyte.String(sig)
	if !in.ReadASN1(&body, asn1.SEQUENCE) || !in.Empty() ||
		!body.ReadASN1Integer(&rBytes) || !body.ReadASN1Integer(&sBytes) || !body.Empty() {
		return false
	}
	size := k.order.BitLen() / 8
	if len(rBytes) > size || len(sBytes) > size {
		return false
	}
	r.SetBytes(rBytes)
	s.SetBytes(sBytes)
	return r.Sign() > 0 && s.Sign() > 0 && r.Cmp(k.order) < 0 && s.Cmp(k.order) < 0
}
