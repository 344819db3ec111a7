// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"

	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/timestamp"
)

// sibling returns another stamper under the root of the instance's first one.
func (in *instance) sibling(t testing.TB) *stamper {
	t.Helper()
	root := certified{in.tsas[0].chain[1], fixedKey(t, "tsa-log1."+in.name+" root")}
	usage := testkit.Must(asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}}))(t)
	leaf := issue(t, &x509.Certificate{
		SerialNumber: big.NewInt(9), Subject: pkix.Name{CommonName: "sibling"}, NotBefore: root.cert.NotBefore, NotAfter: root.cert.NotAfter,
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: usage}},
	}, fixedKey(t, "sibling"), &root)
	chain := []*x509.Certificate{leaf.cert, root.cert}
	return &stamper{testkit.Must(timestamp.NewSigner(leaf.key, chain))(t), chain}
}

// TestSiblingOfTimestampAuthority checks that if the trusted root lists a timestamp authority's
// certificate, another one of the same issuer is refused. It may have been dropped for a
// reason.
func TestSiblingOfTimestampAuthority(t *testing.T) {
	in := newInstance(t, "example.com")
	b := in.sign(t, artifact, order{})
	b.Timestamps = [][]byte{in.sibling(t).stamp(t, b.Signature(), signedAt, true)}
	_, err := in.verifier(t).Verify(b, fromBytes(artifact), trustAlice)
	refused(t, err, verify.StepTimes, verify.TimestampUntrusted)

	open := *in.root
	open.TimestampAuthorities = []trust.Authority{in.root.TimestampAuthorities[0]}
	open.TimestampAuthorities[0].Chain = in.tsas[0].chain[1:]
	if _, err := testkit.Must(verify.New(&open))(t).Verify(b, fromBytes(artifact), trustAlice); err != nil {
		t.Errorf("where the root leaves it open: %v", err)
	}
}
