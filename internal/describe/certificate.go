// SPDX-License-Identifier: Apache-2.0

package describe

import (
	"crypto/x509"
	"encoding/hex"

	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/report"
	"github.com/hallmark-sign/hallmark/wire/sct"
)

func addCertificate(a *cli.Table, der []byte) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.Line("certificate", "can't be read: %v", err)
		return
	}
	id, err := identity.FromCertificate(cert)
	if err != nil {
		a.Line("signer", "none that can be read: %v", err)
	} else {
		a.Line("signer", "%s (%s)", id.Subject.Value, id.Subject.Type)
		a.Line("issuer", "%s", id.Issuer)
		addBuild(a, id.Build)
	}
	a.Line("certificate", "valid %s to %s, serial %s", report.Clock(cert.NotBefore), report.Clock(cert.NotAfter), hex.EncodeToString(cert.SerialNumber.Bytes()))
	scts, err := sct.Embedded(cert)
	if err != nil {
		a.Line("CT log", "timestamps can't be read: %v", err)
	}
	for _, s := range scts {
		a.Line("CT log", "%s", hex.EncodeToString(s.LogID[:]))
	}
}

func addBuild(a *cli.Table, b identity.Build) {
	for _, field := range [][2]string{
		{"built by", b.SignerURI}, {"source", b.SourceRepositoryURI}, {"ref", b.SourceRepositoryRef},
		{"commit", b.SourceRepositoryDigest}, {"trigger", b.Trigger}, {"run", b.RunInvocationURI},
	} {
		if field[1] != "" {
			a.Line(field[0], "%s", field[1])
		}
	}
}
