// SPDX-License-Identifier: Apache-2.0

package trusting

import (
	"crypto/x509"
	"testing"

	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/trust"
)

// TestContains checks that only files that keep every pinned log and authority count as the
// next files of an instance.
func TestContains(t *testing.T) {
	key := testkit.P256(t).Public()
	log := trust.Log{ID: []byte{1}, Key: key}
	ca := trust.Authority{Chain: []*x509.Certificate{{Raw: []byte("ca")}}}
	pinned := &trust.Root{Logs: []trust.Log{log}, CTLogs: []trust.Log{log}, CertificateAuthorities: []trust.Authority{ca}}
	rotated := *pinned
	rotated.Logs = append([]trust.Log{{ID: []byte{2}, Key: key}}, pinned.Logs...)
	if !contains(&rotated, pinned) {
		t.Error("after a rotation: not contained")
	}
	otherKey, otherCA := rotated, rotated
	otherKey.CTLogs = []trust.Log{{ID: []byte{1}, Key: testkit.P256(t).Public()}}
	otherCA.CertificateAuthorities = []trust.Authority{{Chain: []*x509.Certificate{{Raw: []byte("other")}}}}
	for name, other := range map[string]*trust.Root{"another key": &otherKey, "another authority": &otherCA, "nothing": {}} {
		if contains(other, pinned) {
			t.Errorf("%s: contained", name)
		}
	}
}
