package interop

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/oci"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/simplesigning"
)

// TestLegacyImages: what cosign leaves on an image in its older form, with a key
// and without a log, hallmark reads, and finds to be what it is.
func TestLegacyImages(t *testing.T) {
	r := newRequest(t)
	for _, registry := range []string{"ociregistry, with referrers", "distribution v3"} {
		t.Run(registry, func(t *testing.T) {
			i := registries()[registry](t).push(t)
			key := cosignKey(t, i)
			old := []string{"--key", filepath.Join(i.home, "cosign.key"), "--yes", "--tlog-upload=false", "--use-signing-config=false", "--new-bundle-format=false"}
			if err := i.run(t, cosignBinary, append([]string{"sign"}, old...)...); err != nil {
				t.Fatal(err)
			}
			found, image := lookAt(t, i)
			if len(found) != 1 || found[0].Err != nil || found[0].Detached == nil {
				t.Fatalf("%+v", found)
			}
			b, err := bundle.FromDetached(*found[0].Detached)
			if err != nil {
				t.Fatal(err)
			}
			verifier, err := verify.New(r.instance.Root)
			if err != nil {
				t.Fatal(err)
			}
			p := verify.Policy{Keys: []crypto.PublicKey{key}, NoLogUnsafe: true, NoTimestampUnsafe: true}
			if _, err := verifier.Verify(b, verify.FromReader(bytes.NewReader(found[0].Payload)), p); err != nil {
				t.Error(err)
			}
			if payload, err := simplesigning.Parse(found[0].Payload); err != nil || !bytes.Equal(payload.Digest, image.Sum()) {
				t.Errorf("%+v, %v", payload, err)
			}
			err = i.run(t, hallmarkBinary, "verify", "--trusted-root", r.trustedRoot, "--key", filepath.Join(i.home, "cosign.pub"))
			if err == nil || !strings.Contains(err.Error(), "refused: timestamp-missing") {
				t.Error(err)
			}
		})
	}
}

// cosignKey makes a key pair at the registry's home.
func cosignKey(t *testing.T, i images) crypto.PublicKey {
	t.Helper()
	bin, err := cosignBinary()
	require(t, "cosign", err)
	if err := runAt(t, i.home, bin, "generate-key-pair"); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(i.home, "cosign.pub"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(raw)
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func lookAt(t *testing.T, i images) ([]oci.Found, oci.Image) {
	t.Helper()
	reference, err := oci.ParseReference(i.image)
	if err != nil {
		t.Fatal(err)
	}
	c := oci.New(oci.Options{Anonymous: true})
	image, err := c.Resolve(t.Context(), reference)
	if err != nil {
		t.Fatal(err)
	}
	found, err := c.Bundles(t.Context(), image)
	if err != nil {
		t.Fatal(err)
	}
	return found, image
}
