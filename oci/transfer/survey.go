// SPDX-License-Identifier: Apache-2.0

package transfer

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hallmark-sign/hallmark/oci"
)

// Limits of one image with all attachments.
const (
	maxManifests = 20_000    // platforms and attachments
	maxBytes     = 128 << 20 // bytes of manifests and lists, which are kept in memory
	maxValues    = 1_000_000 // JSON values of manifests and lists, which are kept parsed
)

// parallel is the number of manifests that are read at once.
const parallel = 8

// A Source is a place that images are copied from. It must be safe for concurrent use.
type Source interface {
	// Manifest returns a manifest after checking it against its descriptor.
	Manifest(ctx context.Context, d oci.Descriptor) ([]byte, error)

	// Blob streams a blob. The caller must verify it.
	Blob(ctx context.Context, d oci.Descriptor) (io.ReadCloser, error)

	// Referrers returns the attachments of a manifest, as the source claims.
	Referrers(ctx context.Context, d oci.Descriptor) ([]oci.Descriptor, error)

	// Tagged returns the manifest that a tag names and reports whether there is
	// one.
	Tagged(ctx context.Context, tag string) (d oci.Descriptor, ok bool, err error)
}

// A survey lists everything that belongs to an image in one place.
type survey struct {
	from    Source
	image   oci.Descriptor
	things  map[string]*thing // by digest
	order   []*thing          // children before parents, subjects before attachments
	parts   map[string]bool   // the image and its parts, without attachments
	queued  map[string]bool   // digests of what was read or is about to be
	bytes   atomic.Int64      // bytes of manifests and lists
	values  atomic.Int64      // JSON values in them
	missing []Note
	strays  []Note // listed but not attached to the image
}

// A thing is a manifest.
type thing struct {
	oci.Descriptor
	raw      []byte // nil for a stray, which is not followed; only its subject is known
	contents oci.Contents
	hanging  []oci.Descriptor // listed attachments
	tags     []tag            // of cosign 1 and 2
	unseen   []Note           // what could not be read
}

// A tag names a manifest.
type tag struct {
	name string
	oci.Descriptor
}

// A lead is a reference to a manifest.
type lead struct {
	oci.Descriptor
	under string // digest of the listed subject; empty for parts and tags
}

// A found is a manifest with all leads to it.
type found struct {
	oci.Descriptor
	under []string // of each lead
}

// look surveys an image, generation by generation. Errors are those of the
// image's own manifest, *oci.RegistryError if a limit is exceeded, and those of
// the context.
func look(ctx context.Context, from Source, image oci.Descriptor) (*survey, error) {
	s := &survey{from: from, image: image, things: map[string]*thing{}, parts: map[string]bool{}, queued: map[string]bool{}}
	for todo := s.due([]lead{{image, ""}}); len(todo) > 0; {
		if len(s.queued) > maxManifests {
			return nil, &oci.RegistryError{Reason: oci.TooMuch, Err: fmt.Errorf("the image has more than %d manifests and attachments", maxManifests)}
		}
		leads, err := s.generation(ctx, todo)
		if err != nil {
			return nil, err
		}
		todo = s.due(leads)
	}
	s.divide(image.Digest)
	s.arrange(image.Digest, map[string]bool{})
	s.strays = slices.DeleteFunc(s.strays, func(n Note) bool { return s.things[n.What].raw != nil })
	return s, nil
}

// due returns the manifests to read: new ones, once, with all their subjects,
// and strays for which a lead is right.
func (s *survey) due(leads []lead) []found {
	var todo []found
	at := map[string]int{}
	for _, l := range leads {
		stray := s.things[l.Digest]
		if i, ok := at[l.Digest]; ok {
			todo[i].under = append(todo[i].under, l.under)
		} else if !s.queued[l.Digest] || stray != nil && stray.raw == nil && stray.belongs(l.under) {
			at[l.Digest] = len(todo)
			todo = append(todo, found{l.Descriptor, []string{l.under}})
		}
		s.queued[l.Digest] = true
	}
	return todo
}

// generation reads manifests in parallel and returns their leads.
func (s *survey) generation(ctx context.Context, todo []found) ([]lead, error) {
	things, errs := make([]*thing, len(todo)), make([]error, len(todo))
	each(len(todo), parallel, func(i int) {
		if errs[i] = s.tooMuch(); errs[i] == nil {
			things[i], errs[i] = s.see(ctx, todo[i])
		}
	})
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if err := s.tooMuch(); err != nil {
		return nil, err
	}
	var leads []lead
	for i, f := range todo {
		switch t := things[i]; {
		case errs[i] != nil && f.Digest == s.image.Digest:
			return nil, errs[i]
		case errs[i] != nil:
			s.missing = append(s.missing, Note{f.Digest, errs[i].Error()})
		default:
			s.things[f.Digest] = t
			s.missing = append(s.missing, t.unseen...)
			leads = append(leads, t.leads()...)
		}
	}
	return leads, nil
}

// tooMuch returns an error if what has been read exceeds the limits.
func (s *survey) tooMuch() error {
	if s.bytes.Load() > maxBytes || s.values.Load() > maxValues {
		return &oci.RegistryError{Reason: oci.TooMuch, Err: fmt.Errorf("the manifests and attachment lists of the image have more than %d bytes or %d values together", int64(maxBytes), maxValues)}
	}
	return nil
}

// each calls do for 0 to n-1, at most atOnce at a time.
func each(n, atOnce int, do func(i int)) {
	slots := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			do(i)
		})
	}
	all.Wait()
}

// see fetches a manifest and lists its attachments.
func (s *survey) see(ctx context.Context, f found) (*thing, error) {
	raw, err := s.from.Manifest(ctx, f.Descriptor)
	if err != nil {
		return nil, err
	}
	s.bytes.Add(f.Size)
	t := &thing{Descriptor: f.Descriptor, raw: raw}
	if t.contents, err = oci.ParseContents(f.Descriptor, raw); err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(f.under, t.belongs) {
		return &thing{Descriptor: f.Descriptor, contents: oci.Contents{Subject: t.contents.Subject}}, nil
	}
	s.values.Add(int64(t.contents.Values))
	if t.hanging, err = s.from.Referrers(ctx, f.Descriptor); err != nil {
		t.unseen = append(t.unseen, Note{f.Digest, "its attachments are unknown: " + err.Error()})
	}
	for _, d := range t.hanging {
		s.bytes.Add(int64(len(d.MediaType) + len(d.Digest) + len(d.ArtifactType)))
	}
	s.values.Add(valuesListed * int64(len(t.hanging)))
	for _, name := range f.LegacyTags() {
		d, ok, err := s.from.Tagged(ctx, name)
		if err != nil {
			t.unseen = append(t.unseen, Note{name, err.Error()})
		} else if ok {
			t.tags = append(t.tags, tag{name, d})
		}
	}
	return t, nil
}

// valuesListed is the number of values that an entry of a list counts as.
const valuesListed = 5

// belongs reports whether a thing is attached to the given subject, or under is
// empty.
func (t *thing) belongs(under string) bool { return under == "" || t.hangsOn(under) }

func (t *thing) hangsOn(digest string) bool {
	return t.contents.Subject != nil && t.contents.Subject.Digest == digest
}

// leads returns the manifests that this one refers to and those attached to it.
func (t *thing) leads() []lead {
	var all []lead
	for _, d := range t.contents.Manifests {
		all = append(all, lead{d, ""})
	}
	for _, d := range t.hanging {
		all = append(all, lead{d, t.Digest})
	}
	for _, one := range t.tags {
		all = append(all, lead{one.Descriptor, ""})
	}
	return all
}

// divide finds the parts of the image.
func (s *survey) divide(digest string) {
	t := s.things[digest]
	if t == nil || s.parts[digest] {
		return
	}
	s.parts[digest] = true
	for _, d := range t.contents.Manifests {
		s.divide(d.Digest)
	}
}

// arrange orders the manifests for writing. Listed attachments that are not
// attached are strays.
func (s *survey) arrange(digest string, visited map[string]bool) {
	t := s.things[digest]
	if t == nil || t.raw == nil || visited[digest] {
		return
	}
	visited[digest] = true
	for _, d := range t.contents.Manifests {
		s.arrange(d.Digest, visited)
	}
	s.order = append(s.order, t)
	for _, d := range t.hanging {
		if on := s.things[d.Digest]; on != nil && !on.hangsOn(digest) {
			s.strays = append(s.strays, Note{d.Digest, "listed as attached to " + digest + ", but not attached"})
			continue
		}
		s.arrange(d.Digest, visited)
	}
	for _, one := range t.tags {
		s.arrange(one.Digest, visited)
	}
}

// blobs returns the blobs of all manifests, each once.
func (s *survey) blobs() []oci.Descriptor {
	var all []oci.Descriptor
	seen := map[blob]bool{}
	for _, t := range s.order {
		here, _ := t.contents.Blobs()
		for _, d := range here {
			if key := (blob{d.Digest, d.Size}); !seen[key] {
				seen[key] = true
				all = append(all, d)
			}
		}
	}
	return all
}

// blob identifies a blob. The size is included because a manifest may state a
// wrong one.
type blob struct {
	digest string
	size   int64
}
