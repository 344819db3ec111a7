// SPDX-License-Identifier: Apache-2.0

package oci_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"strings"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/oci"
	"github.com/hallmark-sign/hallmark/sign"
	"github.com/hallmark-sign/hallmark/wire/dsse"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

// Example attaches a bundle to an image and reads it back.
func Example() {
	server := httptest.NewServer(registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	ctx := context.Background()
	reference, err := oci.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/app:v1")
	if err != nil {
		log.Fatal(err)
	}
	client := oci.New(oci.Options{Keychain: oci.Anonymous()})
	if err := pushImage(ctx, client.Repository(reference)); err != nil {
		log.Fatal(err)
	}

	image, err := client.Resolve(ctx, reference)
	if err != nil {
		log.Fatal(err)
	}
	raw, err := signDigest(ctx, image)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := client.Attach(ctx, image, oci.Attachment{Bundle: raw, PredicateType: intoto.TypeSigned}); err != nil {
		log.Fatal(err)
	}

	signatures, err := client.Bundles(ctx, image)
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range signatures {
		b, err := bundle.Parse(s.Bundle) // package verify verifies it
		if err != nil {
			log.Fatal(err)
		}
		statement, err := intoto.Parse(b.Envelope.Payload)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(statement.PredicateType, statement.HasSubject("sha256", image.Sum()))
	}
	// Output: https://sigstore.dev/cosign/sign/v1 true
}

// signDigest signs a statement about the image with a new key.
func signDigest(ctx context.Context, image oci.Image) ([]byte, error) {
	statement := intoto.Statement{
		Type:          intoto.TypeV1,
		Subject:       []intoto.Subject{{Digest: map[string]string{"sha256": strings.TrimPrefix(image.Digest, "sha256:")}}},
		PredicateType: intoto.TypeSigned,
	}
	payload, err := statement.Marshal()
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	b, err := sign.Signer{Key: key}.Envelope(ctx, dsse.PayloadTypeInToto, payload)
	if err != nil {
		return nil, err
	}
	return b.Marshal()
}

// pushImage pushes an image without layers.
func pushImage(ctx context.Context, repository *oci.Repository) error {
	const config = "{}"
	d := oci.Descriptor{
		MediaType: "application/vnd.oci.empty.v1+json",
		Size:      int64(len(config)),
		Digest:    "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
	}
	open := func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(config)), nil }
	if err := repository.PutBlob(ctx, d, open); err != nil {
		return err
	}
	var manifest bytes.Buffer
	fmt.Fprintf(&manifest, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":%q,"size":%d,"digest":%q},"layers":[]}`, d.MediaType, d.Size, d.Digest)
	return repository.Publish(ctx, "v1", oci.Describe(manifest.Bytes(), ""), manifest.Bytes())
}
