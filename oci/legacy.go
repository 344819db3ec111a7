// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/wire/simplesigning"
)

// The form of cosign 1 and 2: a manifest under a tag made of the image's
// digest. Each layer is a signed payload; signature, certificate and so on are
// annotations (cosign specs/SIGNATURE_SPEC.md).
const (
	signatureSuffix   = ".sig"
	attestationSuffix = ".att"
	sbomSuffix        = ".sbom"

	typeSimpleSigning = "application/vnd.dev.cosign.simplesigning.v1+json"
	typeEnvelope      = "application/vnd.dsse.envelope.v1+json"

	noteSignature   = "dev.cosignproject.cosign/signature"
	noteCertificate = "dev.sigstore.cosign/certificate"
	noteChain       = "dev.sigstore.cosign/chain"
	noteEntry       = "dev.sigstore.cosign/bundle"
	noteTimestamp   = "dev.sigstore.cosign/rfc3161timestamp"
	notePredicate   = "predicateType"
)

// legacyTags returns the existing tags of cosign 1 and 2.
func (s *session) legacyTags(ctx context.Context, image Image) ([]Attached, error) {
	var all []Attached
	for _, suffix := range []string{signatureSuffix, attestationSuffix, sbomSuffix} {
		tag := image.fallbackTag() + suffix
		there, err := s.hasTag(ctx, tag)
		if err != nil {
			return nil, err
		}
		if there {
			all = append(all, Attached{Tag: tag, Type: "cosign 2 " + strings.TrimPrefix(suffix, ".")})
		}
	}
	return all, nil
}

// hasTag reports whether a tag exists. It uses HEAD, which registries do not
// count against pull limits, and GET where the registry does not support HEAD.
func (s *session) hasTag(ctx context.Context, tag string) (bool, error) {
	got, err := s.do(ctx, request{
		method: http.MethodHead, url: s.url("manifests", tag), header: map[string]string{"Accept": acceptManifests},
		statuses: []int{http.StatusOK, http.StatusNotFound, http.StatusMethodNotAllowed},
	})
	if err != nil || got.status == http.StatusNotFound {
		return false, err
	}
	if got.status == http.StatusOK {
		return true, notManifest(got)
	}
	_, there, err := s.tagged(ctx, s.repo.Tag(tag))
	return there, err
}

// notManifest refuses a web page in place of a manifest: it does not tell
// whether the tag exists.
func notManifest(got response) error {
	if kind := mediaTypeIn(got.header); kind == "text/html" {
		return garbled("the registry sent %q instead of a manifest", kind)
	}
	return nil
}

// legacy fetches signatures and attestations in the form of cosign 1 and 2,
// except from manifests that are known.
func (s *session) legacy(ctx context.Context, image Image, known []string) ([]Signature, error) {
	var all []Signature
	budget := budget{left: maxFetched}
	for _, suffix := range []string{signatureSuffix, attestationSuffix} {
		tag := image.fallbackTag() + suffix
		got, err := s.do(ctx, request{
			method: http.MethodGet, url: s.url("manifests", tag), header: map[string]string{"Accept": typeManifest + ", " + typeDockerManifest},
			limit: MaxManifest, statuses: []int{http.StatusOK, http.StatusNotFound},
		})
		if err != nil {
			return nil, err
		}
		if got.status == http.StatusNotFound || slices.Contains(known, digestOf(got.body)) {
			continue
		}
		var m manifest
		if err := notManifest(got); err != nil {
			return nil, err
		}
		if err := Unmarshal(got.body, &m); err != nil {
			all = append(all, Signature{Manifest: digestOf(got.body), Err: malformed("parsing manifest under %s: %w", tag, err)})
			continue
		}
		for _, layer := range m.Layers {
			if len(all) == maxBundles {
				return append(all, Signature{Err: &RegistryError{Reason: TooMuch, Err: fmt.Errorf("more than %d signatures", maxBundles)}}), nil
			}
			found := Signature{Manifest: digestOf(got.body)}
			found.Err = s.fetchLegacy(ctx, layer, &budget, &found)
			all = append(all, found)
		}
	}
	return all, nil
}

// fetchLegacy fetches a signed payload and combines it with its annotations.
func (s *session) fetchLegacy(ctx context.Context, layer Descriptor, budget *budget, into *Signature) error {
	limit := int64(bundle.MaxSize)
	if layer.MediaType == typeSimpleSigning {
		limit = simplesigning.MaxSize
	}
	if err := layer.check(limit); err != nil {
		return err
	}
	if layer.MediaType != typeSimpleSigning && layer.MediaType != typeEnvelope {
		return malformed("the layer is %q, neither a signature nor an envelope", layer.MediaType)
	}
	if err := budget.take(layer.Size); err != nil {
		return err
	}
	raw, err := s.get(ctx, "blobs", layer)
	if err != nil {
		return err
	}
	note := func(name string) []byte { return []byte(layer.Annotations[name]) }
	into.Detached = &bundle.Detached{
		Signature: note(noteSignature), Certificate: note(noteCertificate), Chain: note(noteChain),
		LogEntry: note(noteEntry), Timestamp: note(noteTimestamp),
	}
	if layer.MediaType == typeEnvelope {
		into.Detached.Signature = raw
	} else {
		into.Payload = raw
	}
	return nil
}
