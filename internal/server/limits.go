package server

import (
	"crypto/x509"
	"time"

	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/internal/admission"
	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/issuer"
	"github.com/hallmark-sign/hallmark/internal/rekorlog"
)

func rate(r config.Rate) admission.Rate { return admission.Rate{Burst: r.Burst, Pause: r.Pause()} }

func limiter(what string, r config.Rate) *admission.Limiter {
	return admission.NewLimiter(what, rate(r), time.Now)
}

func loginLimits(c *config.Config) issuer.Limits {
	l := c.Limits.Effective()
	return issuer.Limits{
		Account: rate(l.AccountLogins), AllAccount: rate(l.AccountLoginsOverall),
		Address: rate(l.FailedLogins), Devices: rate(l.DeviceCodes),
	}
}

func entryLimits(o Options) rekorlog.Limits {
	l := o.Instance.Config.Limits.Effective()
	return rekorlog.Limits{
		Identify:   identify(o.Instance.CAChain[0]),
		Identities: limiter("log entries of this identity", l.Entries),
		Addresses:  limiter("log entries without a certificate of this instance from this address", l.AnonymousEntries),
	}
}

// identify knows the certificates that authority has issued by its signature: anybody
// can write down an identity.
func identify(authority *x509.Certificate) func([]byte) (string, bool) {
	return func(der []byte) (string, bool) {
		cert, err := x509.ParseCertificate(der)
		if err != nil || cert.CheckSignatureFrom(authority) != nil {
			return "", false
		}
		id, err := identity.FromCertificate(cert)
		return id.Subject.Value + "\n" + id.Issuer, err == nil
	}
}
