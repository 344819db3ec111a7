// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hallmark-sign/hallmark/oci"
)

// Names and limits of a layout.
const (
	markFile  = "oci-layout"
	indexFile = "index.json"
	blobsDir  = "blobs/sha256"

	version    = "1.0.0"
	maxMark    = 4 << 10
	noteTag    = "org.opencontainers.image.ref.name"
	noteName   = "io.containerd.image.name"
	maxEntries = oci.MaxListed
	maxNamed   = 20 // images named in an error
)

// An index is the content of index.json:
//
//	{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json",
//	 "manifests":[
//	  {"mediaType":"application/vnd.oci.image.index.v1+json","size":491,"digest":"sha256:c605…",
//	   "annotations":{"io.containerd.image.name":"registry.example.com/app:v1","org.opencontainers.image.ref.name":"v1"}},
//	  {"mediaType":"application/vnd.oci.image.manifest.v1+json","size":754,"digest":"sha256:d4e2…",
//	   "artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json"}]}
type index struct {
	SchemaVersion int              `json:"schemaVersion"`
	MediaType     string           `json:"mediaType,omitempty"`
	Manifests     []oci.Descriptor `json:"manifests"`
	Rest          jsontext.Value   `json:",embed"` // unknown members
}

func parseIndex(raw []byte) (index, error) {
	var i index
	if err := oci.Unmarshal(raw, &i); err != nil {
		return i, fmt.Errorf("parsing %s: %w", indexFile, err)
	}
	switch {
	case i.SchemaVersion != 2, i.MediaType != "" && i.MediaType != oci.TypeIndex:
		return i, fmt.Errorf("parsing %s: schema %d, media type %q", indexFile, i.SchemaVersion, i.MediaType)
	case len(i.Manifests) > maxEntries:
		return i, fmt.Errorf("parsing %s: more than %d entries", indexFile, maxEntries)
	}
	i.tagKinds()
	return i, nil
}

func (i index) marshal() ([]byte, error) {
	raw, err := json.Marshal(i, json.Deterministic(true))
	if len(raw) > oci.MaxManifest {
		return nil, fmt.Errorf("%s would have more than %d bytes", indexFile, oci.MaxManifest)
	}
	return bytes.TrimSpace(raw), err
}

func parseMark(raw []byte) error {
	var mark struct {
		Version string `json:"imageLayoutVersion"`
	}
	if err := json.Unmarshal(raw, &mark); err != nil {
		return fmt.Errorf("parsing %s: %w", markFile, err)
	}
	if mark.Version != version {
		return fmt.Errorf("parsing %s: version %q, want %s", markFile, mark.Version, version)
	}
	return nil
}

// add lists an entry. An existing entry with the same name stays but loses the
// name. An entry without a name is listed only if its digest is not listed yet.
func (i *index) add(entry oci.Descriptor) {
	name := entry.Annotations[noteName]
	same := func(d oci.Descriptor) bool { return d.Digest == entry.Digest }
	if name == "" && slices.ContainsFunc(i.Manifests, same) {
		return
	}
	i.Manifests = slices.DeleteFunc(i.Manifests, func(d oci.Descriptor) bool {
		return same(d) && (d.Annotations[noteName] == name || d.Annotations[noteTag] == "")
	})
	for n, d := range i.Manifests {
		if name != "" && d.Annotations[noteName] == name {
			i.Manifests[n].Annotations = without(d.Annotations, noteName, noteTag)
		}
	}
	i.Manifests = append(i.Manifests, entry)
}

func without(notes map[string]string, names ...string) map[string]string {
	rest := map[string]string{}
	for name, note := range notes {
		if !slices.Contains(names, name) {
			rest[name] = note
		}
	}
	return rest
}

// An Image is an image that a layout lists.
type Image struct {
	oci.Descriptor
	Tag  string // may be empty
	Name string // original REGISTRY/REPO:TAG; may be empty
}

// String returns the name, the tag or the digest by which the image can be
// chosen.
func (i Image) String() string {
	switch {
	case i.Name != "":
		return i.Name + " (" + i.Digest + ")"
	case i.Tag != "":
		return i.Tag + " (" + i.Digest + ")"
	}
	return i.Digest
}

// Images returns the listed images, without attachments.
func (l *Layout) Images() []Image {
	l.mutex.RLock()
	defer l.mutex.RUnlock()
	var all []Image
	for _, d := range l.index.Manifests {
		if i := imageOf(d); !l.attached[d.Digest] && !isListOfOthers(i.Tag) {
			all = append(all, i)
		}
	}
	return all
}

func imageOf(d oci.Descriptor) Image {
	return Image{d, d.Annotations[noteTag], d.Annotations[noteName]}
}

// isListOfOthers reports whether tag is a fallback tag or a tag of cosign 1 and
// 2.
func isListOfOthers(tag string) bool {
	digits, ok := strings.CutPrefix(tag, "sha256-")
	for _, suffix := range []string{".sig", ".att", ".sbom"} {
		digits = strings.TrimSuffix(digits, suffix)
	}
	_, err := oci.Descriptor{Digest: "sha256:" + digits}.Hex()
	return ok && err == nil
}

// ErrChoice reports that a layout has no matching image, or several.
var ErrChoice = errors.New("which image?")

// Choose returns the image with the given tag, name or digest. If want is
// empty, it returns the only image, or the only one with a name. From then on,
// tags are those of its repository. Errors match [ErrChoice].
func (l *Layout) Choose(want string) (Image, error) {
	all := l.Images()
	for _, d := range l.index.Manifests {
		if d.Digest == want {
			all = append(all, imageOf(d))
		}
	}
	fits := func(i Image) bool { return want == i.Tag || want == i.Name || want == i.Digest }
	if want == "" {
		fits = func(i Image) bool { return len(all) == 1 || i.Tag != "" || i.Name != "" }
	}
	chosen := slices.DeleteFunc(slices.Clone(all), func(i Image) bool { return !fits(i) })
	if len(chosen) > 0 && !slices.ContainsFunc(chosen, func(i Image) bool { return i.Digest != chosen[0].Digest }) {
		l.repository = strings.TrimSuffix(chosen[0].Name, ":"+chosen[0].Tag)
		return chosen[0], nil
	}
	if len(chosen) == 0 {
		chosen = all
	}
	if len(chosen) == 0 {
		return Image{}, fmt.Errorf("%w none is listed", ErrChoice)
	}
	var names []string
	for _, i := range chosen {
		names = append(names, i.String())
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if more := len(names) - maxNamed; more > 0 {
		names = append(names[:maxNamed], fmt.Sprintf("and %d more", more))
	}
	return Image{}, fmt.Errorf("%w there is %s", ErrChoice, strings.Join(names, "; "))
}
