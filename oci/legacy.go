// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/client/retry"
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

// notManifest refuses a web page in place of a manifest: such a response does not show whether
// the tag exists.
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

// A Legacy is a signature to attach in the form of cosign 1 and 2.
type Legacy struct {
	Detached      bundle.Detached
	Payload       []byte // signed payload, see wire/simplesigning; nil if Detached is an envelope
	PredicateType string // of the statement in the envelope
	Signature     []byte // raw, of the envelope
}

// AttachLegacy appends a signature to those under the tag where cosign 1 and 2
// look for it. If the tag has other content, it is never overwritten. Errors
// are of type *[RegistryError] or match [ErrMalformed].
func (c *Client) AttachLegacy(ctx context.Context, image Image, l Legacy) error {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	s, err := c.session(ctx, image.repo, transport.PushScope)
	if err == nil {
		err = s.attachLegacy(ctx, image, l)
	}
	if err != nil {
		return fmt.Errorf("attaching a legacy signature to %s: %w", image, err)
	}
	return nil
}

// CheckLegacy checks that signatures can be appended under the image's tags.
// Errors are those of [Client.AttachLegacy].
func (c *Client) CheckLegacy(ctx context.Context, image Image) error {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	s, err := c.session(ctx, image.repo, transport.PushScope)
	for _, suffix := range []string{signatureSuffix, attestationSuffix} {
		if err == nil {
			_, err = s.legacyList(ctx, image.fallbackTag()+suffix)
		}
	}
	if err != nil {
		return fmt.Errorf("checking legacy signatures of %s: %w", image, err)
	}
	return nil
}

func (s *session) attachLegacy(ctx context.Context, image Image, l Legacy) error {
	layer, content := l.layer()
	if err := s.putBlob(ctx, layer.Digest, content); err != nil {
		return err
	}
	suffix := signatureSuffix
	if l.Payload == nil {
		suffix = attestationSuffix
	}
	raw, err := marshal(layer)
	if err != nil {
		return err
	}
	return s.addLegacy(ctx, image.fallbackTag()+suffix, raw)
}

// layer returns the signed payload and its descriptor with annotations.
func (l Legacy) layer() (Descriptor, []byte) {
	notes := map[string]string{}
	for name, value := range map[string][]byte{
		noteCertificate: l.Detached.Certificate, noteChain: l.Detached.Chain, noteEntry: l.Detached.LogEntry, noteTimestamp: l.Detached.Timestamp,
	} {
		if len(value) > 0 {
			notes[name] = string(value)
		}
	}
	d, content := Descriptor{MediaType: typeSimpleSigning, Annotations: notes}, l.Payload
	notes[noteSignature] = string(l.Detached.Signature)
	if l.Payload == nil {
		d.MediaType, content = typeEnvelope, l.Detached.Signature
		// cosign leaves this signature empty and timestamps the layer. With a
		// signature, the timestamp is over the signature, as in bundles.
		notes[noteSignature], notes[notePredicate] = base64.StdEncoding.EncodeToString(l.Signature), l.PredicateType
	}
	d.Size, d.Digest = int64(len(content)), digestOf(content)
	return d, content
}

// A legacyList is the manifest under a legacy tag, with all members that others
// wrote.
type legacyList struct {
	members map[string]jsontext.Value // nil if it does not exist
	layers  []jsontext.Value
}

func (s *session) legacyList(ctx context.Context, tag string) (legacyList, error) {
	got, err := s.do(ctx, request{
		method: http.MethodGet, url: s.url("manifests", tag), header: map[string]string{"Accept": acceptManifests}, // an index must not count as missing
		limit: MaxManifest, statuses: []int{http.StatusOK, http.StatusNotFound},
	})
	if err != nil || got.status == http.StatusNotFound {
		return legacyList{}, err
	}
	list, err := parseLegacyList(got.body)
	if err != nil {
		return legacyList{}, malformed("the content of tag %s can't be extended: %w", tag, err)
	}
	return list, nil
}

// parseLegacyList parses a manifest that may be extended by a layer: one whose
// layers are signatures only.
func parseLegacyList(raw []byte) (legacyList, error) {
	var m manifest
	var l legacyList
	if err := json.Unmarshal(raw, &m); err != nil {
		return l, err
	}
	if err := json.Unmarshal(raw, &l.members); err != nil {
		return l, err
	}
	if m.SchemaVersion != 2 || m.MediaType != "" && m.MediaType != typeManifest && m.MediaType != typeDockerManifest {
		return l, fmt.Errorf("schema %d, media type %q", m.SchemaVersion, m.MediaType)
	}
	if len(m.Layers) == 0 || len(m.Layers) >= maxBundles {
		return l, fmt.Errorf("%d layers, want 1 to %d", len(m.Layers), maxBundles-1)
	}
	for _, d := range m.Layers {
		if d.MediaType != typeSimpleSigning && d.MediaType != typeEnvelope {
			return l, fmt.Errorf("the layer is %q, neither a signature nor an envelope", d.MediaType)
		}
		if err := d.check(bundle.MaxSize); err != nil {
			return l, err
		}
	}
	return l, json.Unmarshal(l.members["layers"], &l.layers)
}

// addLegacy adds a layer under a tag. Like rewriteList, it repeats until the
// list has our layer and all that were there before.
func (s *session) addLegacy(ctx context.Context, tag string, own jsontext.Value) error {
	want := []jsontext.Value{own}
	for try := range enlistTries {
		begun := time.Now()
		list, err := s.legacyList(ctx, tag)
		if err != nil {
			return err
		}
		missing := without(want, list.layers)
		if len(missing) == 0 && try > 0 {
			return nil
		}
		want = append(want, without(list.layers, want)...)
		if len(missing) > 0 {
			if err := s.putLegacy(ctx, tag, list, missing); err != nil {
				return err
			}
		}
		wait := max(settling, settleTimes*time.Since(begun))
		if err := retry.Sleep(ctx, wait+rand.N(wait)); err != nil {
			return registryError(err)
		}
	}
	return &RegistryError{Reason: Busy, Err: errors.New("other clients keep writing legacy signatures")}
}

// without returns the layers that are not among others, however they are
// encoded.
func without(layers, others []jsontext.Value) []jsontext.Value {
	return slices.DeleteFunc(slices.Clone(layers), func(a jsontext.Value) bool {
		return slices.ContainsFunc(others, func(b jsontext.Value) bool { return sameLayer(a, b) })
	})
}

func sameLayer(a, b jsontext.Value) bool {
	var x, y Descriptor
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && x.Digest == y.Digest && maps.Equal(x.Annotations, y.Annotations)
}

// putLegacy writes the list with more layers. cosign reads with
// go-containerregistry, which requires a matching image configuration.
func (s *session) putLegacy(ctx context.Context, tag string, list legacyList, more []jsontext.Value) error {
	layers := slices.Concat(list.layers, more)
	config, err := legacyConfig(layers)
	if err != nil {
		return err
	}
	at := Descriptor{MediaType: typeConfig, Size: int64(len(config)), Digest: digestOf(config)}
	if err := s.putBlob(ctx, at.Digest, config); err != nil {
		return err
	}
	members := map[string]any{"schemaVersion": 2, "mediaType": typeManifest}
	for name, value := range list.members {
		members[name] = value
	}
	members["config"], members["layers"] = at, layers
	raw, err := marshal(members)
	if err != nil {
		return err
	}
	mediaType := typeManifest
	if string(list.members["mediaType"]) == `"`+typeDockerManifest+`"` {
		mediaType = typeDockerManifest
	}
	_, err = s.putManifest(ctx, tag, mediaType, raw)
	return err
}

// legacyConfig returns the configuration of an image with these uncompressed
// layers.
func legacyConfig(layers []jsontext.Value) ([]byte, error) {
	type made struct {
		Created time.Time `json:"created"`
	}
	var config struct {
		Architecture string    `json:"architecture"`
		Created      time.Time `json:"created"`
		History      []made    `json:"history"`
		OS           string    `json:"os"`
		RootFS       struct {
			Type  string   `json:"type"`
			Diffs []string `json:"diff_ids"`
		} `json:"rootfs"`
		Config struct{} `json:"config"`
	}
	config.RootFS.Type = "layers"
	for _, layer := range layers {
		var d Descriptor
		if err := json.Unmarshal(layer, &d); err != nil {
			return nil, err
		}
		config.History, config.RootFS.Diffs = append(config.History, made{}), append(config.RootFS.Diffs, d.Digest)
	}
	return marshal(config)
}
