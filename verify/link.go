package verify

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"slices"
	"sync"
	"time"

	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// link is a certificate of the trusted root. Its path up to an authority's root
// is the same for every bundle, so crypto/x509 verifies it once, when first
// asked for; what is left is the certificate's validity at each time, and the
// signature on a leaf.
type link struct {
	cert    *x509.Certificate
	key     *sigalg.Prepared
	above   func() []*x509.Certificate // from cert to the root; nil when there is no path to rely on
	issuing func() []*x509.Certificate // above, when one more may come below it
}

func (a *authority) newLink(cert *x509.Certificate, keys *sigalg.Preparer) link {
	above := sync.OnceValue(func() []*x509.Certificate {
		path, err := verifyPath(cert, a.roots, a.intermediates, a.usage, latestStart(a.Chain))
		if err != nil {
			return nil
		}
		return path
	})
	issuing := sync.OnceValue(func() []*x509.Certificate {
		if path := above(); mayIssue(cert) && carries(path) {
			return path
		}
		return nil
	})
	return link{cert, keys.Prepare(cert.PublicKey), above, issuing}
}

// path gives the path of a leaf that is the link's certificate or issued by it,
// and nil when it has to be looked for in the ordinary way, be it to learn what
// is wrong with it. Where it gives a path, so does crypto/x509
// (TestLinksAnswerAsTheWholePath, TestLinksAnswerOddLeaves).
func (l link) path(leaf *x509.Certificate, usage x509.ExtKeyUsage, at time.Time) []*x509.Certificate {
	if l.cert.Equal(leaf) {
		if above := l.above(); validAt(above, at) {
			return above
		}
		return nil
	}
	if !issues(l.cert, leaf) {
		return nil
	}
	above := l.issuing()
	if above == nil || !validAt(above, at) || !ordinary(leaf, above, usage) || !l.certifies(leaf, at) {
		return nil
	}
	return append([]*x509.Certificate{leaf}, above...)
}

// certifies takes the last step of RFC 5280 §6.1.3 (a), with the link's key as
// the working public key. ordinary has left nothing to (b) to (f).
func (l link) certifies(leaf *x509.Certificate, at time.Time) bool {
	// "(4) The certificate issuer name is the working_issuer_name." Names of
	// another spelling are left to others.
	return bytes.Equal(leaf.RawIssuer, l.cert.RawSubject) &&
		// "(2) The certificate validity period includes the current time."
		validAt([]*x509.Certificate{leaf}, at) &&
		// "(1) The signature on the certificate can be verified using
		// working_public_key_algorithm, the working_public_key, and the
		// working_public_key_parameters."
		l.signed(leaf)
	// "(3) At the current time, the certificate is not revoked" is step 9's.
}

// signed verifies the leaf's signature. That the algorithm inside of what is
// signed is the one outside is what x509.ParseCertificate sees to.
func (l link) signed(leaf *x509.Certificate) bool {
	var hash crypto.Hash
	switch leaf.SignatureAlgorithm {
	case x509.ECDSAWithSHA256:
		hash = crypto.SHA256
	case x509.ECDSAWithSHA384:
		hash = crypto.SHA384
	case x509.ECDSAWithSHA512:
		hash = crypto.SHA512
	default:
		return leaf.CheckSignatureFrom(l.cert) == nil
	}
	h := hash.New()
	h.Write(leaf.RawTBSCertificate)
	return sigalg.VerifyECDSA(l.key, h.Sum(nil), leaf.Signature)
}

// ordinary says whether nothing about the leaf asks for more than certifies
// does: it is a certificate of version 3 for the usage, it says nothing about
// names and policies, and is not an authority's under another name.
//
// "Recognize and process any other critical extension present in the certificate
// n." (RFC 5280 §6.1.5 (f))
func ordinary(leaf *x509.Certificate, above []*x509.Certificate, usage x509.ExtKeyUsage) bool {
	return leaf.Version == 3 && slices.Contains(leaf.ExtKeyUsage, usage) &&
		len(leaf.UnhandledCriticalExtensions) == 0 && !slices.ContainsFunc(leaf.Extensions, constrains) &&
		!slices.ContainsFunc(above, func(c *x509.Certificate) bool { return bytes.Equal(c.RawSubject, leaf.RawSubject) })
}

// mayIssue says whether a certificate is one that certifies others.
func mayIssue(cert *x509.Certificate) bool {
	// "(k) If certificate i is a version 3 certificate, verify that the
	// basicConstraints extension is present and that cA is set to TRUE." (RFC
	// 5280 §6.1.4; those of older versions are left to others)
	return cert.Version == 3 && cert.BasicConstraintsValid && cert.IsCA &&
		// "(n) If a key usage extension is present, verify that the keyCertSign
		// bit is set."
		(cert.KeyUsage == 0 || cert.KeyUsage&x509.KeyUsageCertSign != 0)
}

// carries says whether a path that ends in an authority's certificate may be
// extended by one more: no certificate above counts the ones below it too
// short (RFC 5280 §6.1.4 (l) and (m)), or says something about names or policies
// (§6.1.4 (a), (b) and (g) to (j)).
func carries(path []*x509.Certificate) bool {
	for below, cert := range path {
		if cert.BasicConstraintsValid && cert.MaxPathLen >= 0 && below > cert.MaxPathLen {
			return false
		}
		if slices.ContainsFunc(cert.Extensions, constrains) {
			return false
		}
	}
	return true
}

// constrains says whether an extension is of those by which a certificate says
// something of others' names and policies: name constraints, certificate
// policies, policy mappings, policy constraints and the inhibition of
// anyPolicy (RFC 5280 §4.2.1.10, .4, .5, .11 and .14).
func constrains(ext pkix.Extension) bool {
	return len(ext.Id) == 4 && ext.Id[0] == 2 && ext.Id[1] == 5 && ext.Id[2] == 29 &&
		slices.Contains([]int{30, 32, 33, 36, 54}, ext.Id[3])
}

// latestStart is a time at which a chain is valid, if it ever is.
func latestStart(chain []*x509.Certificate) time.Time {
	var at time.Time
	for _, cert := range chain {
		if cert.NotBefore.After(at) {
			at = cert.NotBefore
		}
	}
	return at
}
