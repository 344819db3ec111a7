// SPDX-License-Identifier: Apache-2.0

package ca

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/wire/fulcio"
	"github.com/hallmark-sign/hallmark/wire/sct"
)

// lifetime is the validity of a certificate, unless an authority above it ends
// sooner.
const lifetime = 10 * time.Minute

// Refusals of Issue, besides those of package fulcio.
var (
	errToken    = errors.New("ID token is missing or invalid")
	errIdentity = errors.New("identity can't be certified")
	errKey      = errors.New("key is weak")
	errExpired  = errors.New("authority's own certificate is not valid now")
)

// issue checks the token, the key and its proof of possession, and returns the
// certificate with the authority's chain, root last. It uses the token argument
// and ignores the token in request.
func (a *Authority) issue(ctx context.Context, request fulcio.Request, token string) ([]*x509.Certificate, error) {
	if token == "" {
		return nil, fmt.Errorf("checking token: %w: there is none", errToken)
	}
	id, challenges, err := a.o.Tokens.Check(ctx, token)
	if err != nil {
		return nil, fmt.Errorf("checking token: %w: %w", errToken, err)
	}
	chain, err := a.issueTo(ctx, request, id, challenges)
	if err != nil {
		return nil, &refused{id, err}
	}
	return chain, nil
}

// A refused reports why a request with a valid token was refused.
type refused struct {
	id  identity.Identity
	err error
}

// Error returns the cause.
func (r *refused) Error() string { return r.err.Error() }

// Unwrap returns the cause.
func (r *refused) Unwrap() error { return r.err }

// Claimed returns the identity of the token.
func (r *refused) Claimed() (account, issuer string) { return r.id.Subject.Value, r.id.Issuer }

func (a *Authority) issueTo(ctx context.Context, request fulcio.Request, id identity.Identity, challenges []string) ([]*x509.Certificate, error) {
	if err := a.o.Limit.Take(id.Subject.Value + "\n" + id.Issuer); err != nil {
		return nil, err
	}
	if err := checkKey(request.PublicKey); err != nil {
		return nil, fmt.Errorf("checking key: %w: %w", errKey, err)
	}
	// A CSR is its own proof of possession: its parser has verified the signature.
	if request.CSR == nil {
		if err := checkProof(request, challenges); err != nil {
			return nil, err
		}
	}
	w, err := a.window()
	if err != nil {
		return nil, err
	}
	extensions, err := id.Extensions()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errIdentity, err)
	}
	d, err := a.profile.draft(request.PublicKey, w, extensions)
	if err != nil {
		return nil, err
	}
	// The key is claimed before anything is signed, so that of two concurrent
	// requests one is refused.
	if err := a.claims.take(request.PublicKey, id, w.start, w.end); err != nil {
		return nil, err
	}
	leaf, timestamp, err := a.certify(ctx, d)
	if err != nil {
		return nil, err
	}
	a.log(ctx, id, leaf, timestamp)
	return append([]*x509.Certificate{leaf}, a.o.Chain...), nil
}

// log logs that a certificate was issued.
func (a *Authority) log(ctx context.Context, id identity.Identity, leaf *x509.Certificate, timestamp sct.SCT) {
	key := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	attributes := []any{
		"account", id.Subject.Value, "issuer", id.Issuer,
		"serial", hex.EncodeToString(leaf.SerialNumber.Bytes()), "key_sha256", hex.EncodeToString(key[:]),
	}
	if index, ok, err := sct.ParseLeafIndex(timestamp.Extensions); ok && err == nil {
		attributes = append(attributes, "ct_index", index)
	}
	a.o.Logger.InfoContext(ctx, "certificate issued", attributes...)
}

// checkProof checks that the proof is over one of the challenges.
func checkProof(request fulcio.Request, challenges []string) (err error) {
	for _, challenge := range challenges {
		if err = request.ProofOfPossession.Verify(request.PublicKey, challenge); err == nil {
			return nil
		}
	}
	return err
}

// certify logs the precertificate of d and signs the certificate: "the
// Precertificate is constructed from the certificate to be issued by adding a
// special critical poison extension" (RFC 6962 §3.1).
func (a *Authority) certify(ctx context.Context, d draft) (*x509.Certificate, sct.SCT, error) {
	precert, err := a.profile.sign(d, poison())
	if err != nil {
		return nil, sct.SCT{}, fmt.Errorf("signing precertificate: %w", err)
	}
	timestamp, err := a.o.CTLog.AddPrecert(ctx, precert, slices.Clone(a.o.Chain))
	if err != nil {
		return nil, sct.SCT{}, err
	}
	list, err := sct.MarshalList([]sct.SCT{timestamp})
	if err != nil {
		return nil, sct.SCT{}, err
	}
	der, err := a.profile.sign(d, sctList(list))
	if err != nil {
		return nil, sct.SCT{}, fmt.Errorf("signing certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, sct.SCT{}, fmt.Errorf("reading own certificate: %w", err)
	}
	return cert, timestamp, nil
}

// window returns the validity of a certificate issued now. It "does not exceed
// the parent", nor any authority above.
func (a *Authority) window() (window, error) {
	start := a.o.Clock().UTC().Truncate(time.Second)
	w := window{start, start.Add(lifetime)}
	for _, authority := range a.o.Chain {
		if start.Before(authority.NotBefore) || !start.Before(authority.NotAfter) {
			return window{}, fmt.Errorf("%w: %v is not between %v and %v", errExpired, start, authority.NotBefore, authority.NotAfter)
		}
		if w.end.After(authority.NotAfter) {
			w.end = authority.NotAfter
		}
	}
	return w, nil
}
