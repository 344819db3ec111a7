// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"bytes"
	"fmt"
	"os"
	"testing"
	"time"

	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/sign"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"google.golang.org/protobuf/encoding/protojson"
)

const intotoType = "application/vnd.in-toto+json"

func sigstoreGoSign(t *testing.T, r request) error {
	return sigstoreGoMake(t, r, &sign.PlainData{Data: read(t, r.file)}, nil)
}

func sigstoreGoAttest(t *testing.T, r request) error {
	return sigstoreGoMake(t, r, &sign.DSSEData{Data: read(t, r.statement), PayloadType: intotoType}, nil)
}

// sigstoreGoMake signs with a new key of the given kind (nil: the library's
// default) at the services that the signing config selects.
func sigstoreGoMake(t *testing.T, r request, content sign.Content, kind *sign.EphemeralKeypairOptions) error {
	keypair, err := sign.NewEphemeralKeypair(kind)
	if err != nil {
		return err
	}
	options, err := sigstoreGoServices(r)
	if err != nil {
		return err
	}
	options.Context = t.Context()
	options.CertificateProviderOptions = &sign.CertificateProviderOptions{IDToken: readTrimmed(t, r.token)}
	made, err := sign.Bundle(content, keypair, options)
	if err != nil {
		return err
	}
	out, err := protojson.Marshal(made)
	if err != nil {
		return err
	}
	return os.WriteFile(r.bundle, out, 0o600)
}

func sigstoreGoServices(r request) (o sign.BundleOptions, err error) {
	if o.TrustedRoot, err = root.NewTrustedRootFromPath(r.trustedRoot); err != nil {
		return o, err
	}
	config, err := root.NewSigningConfigFromPath(r.signingConfig)
	if err != nil {
		return o, err
	}
	now := time.Now()
	ca, err := root.SelectService(config.FulcioCertificateAuthorityURLs(), sign.FulcioAPIVersions, now)
	if err != nil {
		return o, fmt.Errorf("certificate authority: %w", err)
	}
	tsas, err := root.SelectServices(config.TimestampAuthorityURLs(), config.TimestampAuthorityURLsConfig(), sign.TimestampAuthorityAPIVersions, now)
	if err != nil {
		return o, fmt.Errorf("timestamp authority: %w", err)
	}
	logs, err := root.SelectServices(config.RekorLogURLs(), config.RekorLogURLsConfig(), sign.RekorAPIVersions, now)
	if err != nil {
		return o, fmt.Errorf("transparency log: %w", err)
	}
	o.CertificateProvider = sign.NewFulcio(&sign.FulcioOptions{BaseURL: ca.URL})
	for _, tsa := range tsas {
		o.TimestampAuthorities = append(o.TimestampAuthorities, sign.NewTimestampAuthority(&sign.TimestampAuthorityOptions{URL: tsa.URL}))
	}
	for _, log := range logs {
		o.TransparencyLogs = append(o.TransparencyLogs, sign.NewRekor(&sign.RekorOptions{BaseURL: log.URL, Version: log.MajorAPIVersion}))
	}
	return o, nil
}

func sigstoreGoVerify(t *testing.T, r request) error {
	trusted, err := root.NewTrustedRootFromPath(r.trustedRoot)
	if err != nil {
		return err
	}
	verifier, err := verify.NewVerifier(trusted, verify.WithSignedCertificateTimestamps(1), verify.WithTransparencyLog(1), verify.WithSignedTimestamps(1))
	if err != nil {
		return err
	}
	signed, err := bundle.LoadJSONFromPath(r.bundle)
	if err != nil {
		return err
	}
	identity, err := verify.NewShortCertificateIdentity(r.issuer, "", r.identity, "")
	if err != nil {
		return err
	}
	_, err = verifier.Verify(signed, verify.NewPolicy(verify.WithArtifact(bytes.NewReader(read(t, r.file))), verify.WithCertificateIdentity(identity)))
	return err
}

// TestSubjectKeys checks that the certificate authority and the log accept every kind of key that
// sigstore-go can sign with. sign.Bundle verifies the results.
func TestSubjectKeys(t *testing.T) {
	r := newRequest(t)
	for _, kind := range []protocommon.PublicKeyDetails{
		protocommon.PublicKeyDetails_PKIX_ECDSA_P256_SHA_256,
		protocommon.PublicKeyDetails_PKIX_ECDSA_P384_SHA_384,
		protocommon.PublicKeyDetails_PKIX_ECDSA_P521_SHA_512,
		protocommon.PublicKeyDetails_PKIX_RSA_PKCS1V15_2048_SHA256,
		protocommon.PublicKeyDetails_PKIX_RSA_PKCS1V15_3072_SHA256,
		protocommon.PublicKeyDetails_PKIX_RSA_PKCS1V15_4096_SHA256,
	} {
		t.Run(kind.String(), func(t *testing.T) {
			r := r.withBundle(t)
			key := &sign.EphemeralKeypairOptions{Algorithm: kind}
			if err := sigstoreGoMake(t, r, &sign.PlainData{Data: read(t, r.file)}, key); err != nil {
				t.Fatal(err)
			}
			if err := hallmarkVerify(t, r); err != nil {
				t.Fatal(err)
			}
		})
	}
}
