// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"slices"

	"github.com/hallmark-sign/hallmark/oci"
)

// Annotations by which cosign's save, load and verify --local-image identify
// entries of index.json. They read the first marked image of a layout. Bundles
// are not listed; cosign finds them among the blobs by their subject.
const (
	noteKind       = "kind"
	kindImage      = "dev.cosignproject.cosign/image"
	kindIndex      = "dev.cosignproject.cosign/imageIndex"
	kindSignatures = "dev.cosignproject.cosign/sigs"
	kindAttested   = "dev.cosignproject.cosign/atts"
)

// tagKinds adds the tags that signatures of cosign 1 and 2 have in a registry,
// if only their kind is marked.
func (i *index) tagKinds() {
	at := slices.IndexFunc(i.Manifests, func(d oci.Descriptor) bool { return isMarked(d, kindImage) || isMarked(d, kindIndex) })
	if at < 0 {
		return
	}
	tag := i.Manifests[at].FallbackTag()
	for n, d := range i.Manifests {
		for kind, suffix := range kindSuffixes {
			if isMarked(d, kind) && d.Annotations[noteTag] == "" {
				i.Manifests[n].Annotations = with(d.Annotations, noteTag, tag+suffix)
			}
		}
	}
}

var kinds = []string{kindImage, kindIndex, kindSignatures, kindAttested}

var kindSuffixes = map[string]string{kindSignatures: ".sig", kindAttested: ".att"}

func isMarked(d oci.Descriptor, kind string) bool { return d.Annotations[noteKind] == kind }

// mark marks the image and its cosign 1 and 2 signatures for cosign, if it is
// the only listed image. Of several images none is marked, since cosign would
// take the first one whatever is requested. If the image has bundles, older
// attestations are not marked: cosign loads no bundle beside them.
func (i *index) mark(attached func(oci.Descriptor) bool, bundles func(oci.Descriptor) bool) {
	images := map[string]oci.Descriptor{}
	for _, d := range i.Manifests {
		if !attached(d) && !isListOfOthers(d.Annotations[noteTag]) {
			images[d.Digest] = d
		}
	}
	for n, d := range i.Manifests {
		if d.Annotations[noteKind] != "" && !slices.ContainsFunc(kinds, func(kind string) bool { return isMarked(d, kind) }) {
			continue // another annotation
		}
		kind := ""
		for _, image := range images {
			if len(images) == 1 {
				kind = kindOf(d, image, bundles(image))
			}
		}
		i.Manifests[n].Annotations = without(d.Annotations, noteKind)
		if kind != "" {
			i.Manifests[n].Annotations = with(d.Annotations, noteKind, kind)
		}
	}
}

// kindOf returns cosign's kind for an entry of the only image, or "".
func kindOf(d, image oci.Descriptor, hasBundles bool) string {
	switch tag := image.FallbackTag(); {
	case d.Digest == image.Digest && d.IsIndex():
		return kindIndex
	case d.Digest == image.Digest:
		return kindImage
	case d.Annotations[noteTag] == tag+kindSuffixes[kindSignatures]:
		return kindSignatures
	case d.Annotations[noteTag] == tag+kindSuffixes[kindAttested] && !hasBundles:
		return kindAttested
	}
	return ""
}

func with(notes map[string]string, name, value string) map[string]string {
	all := without(notes, name)
	all[name] = value
	return all
}
