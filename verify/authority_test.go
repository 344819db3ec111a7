// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/trust"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

type pair struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newPair(t testing.TB, template *x509.Certificate, issuer *pair) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if issuer == nil {
		issuer = &pair{template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer.cert, key.Public(), issuer.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return pair{cert, key}
}

func caCertificate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: start, NotAfter: start.AddDate(9, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, MaxPathLen: -1,
	}
}

// TestOwnPathAnswersAsTheWholePath checks that the cached path of an authority's own
// certificate is valid exactly when crypto/x509 accepts it, regardless of earlier calls.
func TestOwnPathAnswersAsTheWholePath(t *testing.T) {
	for name, spoil := range map[string]func(root, middle, leaf *x509.Certificate){
		"good":                     func(_, _, _ *x509.Certificate) {},
		"leaf starts late":         func(_, _, leaf *x509.Certificate) { leaf.NotBefore = start.AddDate(0, 0, 3) },
		"root expires first":       func(root, _, _ *x509.Certificate) { root.NotAfter = start.AddDate(0, 0, 3) },
		"intermediate starts late": func(_, middle, _ *x509.Certificate) { middle.NotBefore = start.AddDate(0, 0, 3) },
		"never valid together": func(root, middle, _ *x509.Certificate) {
			root.NotAfter, middle.NotBefore = start.AddDate(0, 0, 3), start.AddDate(0, 0, 6)
		},
		"root allows none between": func(root, _, _ *x509.Certificate) { root.MaxPathLen, root.MaxPathLenZero = 0, true },
	} {
		t.Run(name, func(t *testing.T) {
			root, middle := caCertificate("root"), caCertificate("intermediate")
			leaf := &x509.Certificate{
				SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"}, NotBefore: start, NotAfter: start.AddDate(0, 0, 9),
				ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping},
			}
			spoil(root, middle, leaf)
			above := newPair(t, root, nil)
			issuer := newPair(t, middle, &above)
			own := newPair(t, leaf, &issuer).cert
			chain := &trust.Authority{Chain: []*x509.Certificate{own, issuer.cert, above.cert}}
			a := testkit.Must(newAuthority(chain, x509.ExtKeyUsageTimeStamping))(t)
			for _, day := range []int{5, 4, 12, 2, 9, 0, -1, 3, 7, 10, 5} {
				at := start.AddDate(0, 0, day)
				want, wantErr := testkit.Must(newAuthority(chain, x509.ExtKeyUsageTimeStamping))(t).path(own, nil, at)
				got, err := a.path(own, nil, at)
				if (err == nil) != (wantErr == nil) || len(got) != len(want) {
					t.Errorf("day %d: %d certificates, %v; asked first: %d, %v", day, len(got), err, len(want), wantErr)
				}
			}
		})
	}
}

// TestIssuanceAnswersAsTheWholePath checks that a cached issuance results in the path that
// crypto/x509 returns without it.
func TestIssuanceAnswersAsTheWholePath(t *testing.T) {
	for name, spoil := range map[string]func(root, middle, leaf *x509.Certificate){
		"good":                     func(_, _, _ *x509.Certificate) {},
		"leaf starts late":         func(_, _, leaf *x509.Certificate) { leaf.NotBefore = start.AddDate(0, 0, 3) },
		"root expires first":       func(root, _, _ *x509.Certificate) { root.NotAfter = start.AddDate(0, 0, 3) },
		"intermediate starts late": func(_, middle, _ *x509.Certificate) { middle.NotBefore = start.AddDate(0, 0, 3) },
		"leaf is for servers":      func(_, _, leaf *x509.Certificate) { leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} },
		"root permits other names": func(root, _, _ *x509.Certificate) { root.PermittedEmailAddresses = []string{"example.org"} },
		"root excludes the leaf":   func(root, _, _ *x509.Certificate) { root.ExcludedEmailAddresses = []string{"leaf@example.com"} },
		"intermediate excludes it": func(_, middle, _ *x509.Certificate) { middle.ExcludedEmailAddresses = []string{"leaf@example.com"} },
		"root allows one between":  func(root, _, _ *x509.Certificate) { root.MaxPathLen = 1 },
		"root wants policies": func(root, _, _ *x509.Certificate) {
			root.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 36}, Critical: true, Value: []byte{0x30, 3, 0x80, 1, 0}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			root, middle := caCertificate("root"), caCertificate("intermediate")
			leaf := func(name string) *x509.Certificate {
				return &x509.Certificate{
					SerialNumber: big.NewInt(2), NotBefore: start, NotAfter: start.AddDate(0, 0, 9),
					EmailAddresses: []string{name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
				}
			}
			second := leaf("leaf@example.com")
			spoil(root, middle, second)
			above := newPair(t, root, nil)
			issuer := newPair(t, middle, &above)
			other := newPair(t, middle, &above)
			first := newPair(t, leaf("first@example.org"), &issuer).cert
			chain := &trust.Authority{Chain: []*x509.Certificate{issuer.cert, above.cert}}
			a := testkit.Must(newAuthority(chain, x509.ExtKeyUsageCodeSigning))(t)
			for _, cert := range []*x509.Certificate{newPair(t, second, &issuer).cert, newPair(t, second, &other).cert, issuer.cert, above.cert} {
				for _, day := range []int{5, 4, 12, 2, 0, -1, 3, 10} {
					at := start.AddDate(0, 0, day)
					_, _ = a.path(first, nil, at)
					want, wantErr := testkit.Must(newAuthority(chain, x509.ExtKeyUsageCodeSigning))(t).path(cert, nil, at)
					got, err := a.path(cert, nil, at)
					if (err == nil) != (wantErr == nil) || !slices.EqualFunc(got, want, (*x509.Certificate).Equal) {
						t.Errorf("day %d: %d certificates, %v; verified alone: %d, %v", day, len(got), err, len(want), wantErr)
					}
				}
			}
		})
	}
}

// TestPathVerifiesSignatures checks that a leaf that names the intermediate as its issuer, but
// is not signed by it, is refused.
func TestPathVerifiesSignatures(t *testing.T) {
	root := newPair(t, caCertificate("root"), nil)
	middle := newPair(t, caCertificate("intermediate"), &root)
	impostor := newPair(t, caCertificate("intermediate"), &root)
	impostor.cert.SubjectKeyId = middle.cert.SubjectKeyId
	leaf := newPair(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: start, NotAfter: start.AddDate(1, 0, 0),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}, &impostor)
	a, err := newAuthority(&trust.Authority{Chain: []*x509.Certificate{middle.cert, root.cert}}, x509.ExtKeyUsageCodeSigning)
	if err != nil {
		t.Fatal(err)
	}
	var unknown x509.UnknownAuthorityError
	if _, err := a.path(leaf.cert, nil, start); !errors.As(err, &unknown) {
		t.Errorf("got %v", err)
	}
}

// TestDistinct checks that two names with one key, or two keys with one name, count as one.
func TestDistinct(t *testing.T) {
	for want, parties := range [][]party{
		{},
		{{"a", "1"}, {"a", "2"}, {"a", "1"}},
		{{"a", "1"}, {"b", "2"}, {"b", "1"}},
	} {
		if got := distinct(parties); got != want {
			t.Errorf("%v: got %d, want %d", parties, got, want)
		}
	}
	if got := distinct([]party{{"a", "1"}, {"b", "1"}}); got != 1 {
		t.Errorf("one key under two names: got %d", got)
	}
	if got := distinct([]party{{"a", "1"}, {"a", "2"}, {"a", "3"}, {"b", "1"}, {"c", "1"}}); got != 2 {
		t.Errorf("three names and three keys, of two: got %d", got)
	}
	unnamed := logParty(&trust.Log{ID: []byte("id")})
	if unnamed != (party{"id", "id"}) {
		t.Errorf("a log without address: got %v", unnamed)
	}
}
