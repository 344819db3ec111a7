// SPDX-License-Identifier: Apache-2.0

package trusting

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"slices"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/trust"
)

// sayReplaced prints what replacing pinned by m does to signatures that verify now. Keys are
// public, so containing the pinned ones proves nothing about who made m: the fingerprint does.
func (f Addition) sayReplaced(env cli.Environment, pinned, m *trust.Material) {
	if !contains(m.Root, pinned.Root) {
		env.Say("  another instance is pinned as %s: %s", f.Name, pinned.Fingerprint())
		env.Say("  signatures made there verify only with its files; --name NAME keeps both")
		return
	}
	env.Say("  the files pinned as %s have changed, before: %s", f.Name, pinned.Fingerprint())
	env.Say("  all logs and authorities that were pinned are still listed: it has %s now, had %s", inventory(m.Root), inventory(pinned.Root))
}

// inventory returns the number of logs and authorities in words.
func inventory(r *trust.Root) string {
	return cli.Counted(len(r.Logs), "log", "logs") + ", " + cli.Counted(len(r.CTLogs), "CT log", "CT logs") + " and " +
		cli.Counted(len(r.CertificateAuthorities)+len(r.TimestampAuthorities), "authority", "authorities")
}

// contains reports whether every log and authority of pinned is in r.
func contains(r, pinned *trust.Root) bool {
	return includes(r.Logs, pinned.Logs, sameLog) && includes(r.CTLogs, pinned.CTLogs, sameLog) &&
		includes(r.CertificateAuthorities, pinned.CertificateAuthorities, sameAuthority) &&
		includes(r.TimestampAuthorities, pinned.TimestampAuthorities, sameAuthority)
}

func includes[T any](all, some []T, same func(a, b T) bool) bool {
	for _, one := range some {
		if !slices.ContainsFunc(all, func(other T) bool { return same(one, other) }) {
			return false
		}
	}
	return true
}

func sameLog(a, b trust.Log) bool {
	key, ok := a.Key.(interface{ Equal(crypto.PublicKey) bool })
	return bytes.Equal(a.ID, b.ID) && ok && key.Equal(b.Key)
}

func sameAuthority(a, b trust.Authority) bool {
	return slices.EqualFunc(a.Chain, b.Chain, (*x509.Certificate).Equal)
}
