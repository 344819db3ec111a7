package transfer

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/hallmark-sign/hallmark/oci"
)

// Limits of one image, with all that hangs on it.
const (
	MaxManifests = 20_000    // platforms, attachments, and what hangs on them
	MaxBytes     = 128 << 20 // of manifests, which are kept in memory
)

// parallel is how many manifests are looked at at once.
const parallel = 8

// Source is where images are. It is safe for concurrent use.
type Source interface {
	// Manifest gives a manifest that fits its descriptor.
	Manifest(ctx context.Context, d oci.Descriptor) ([]byte, error)

	// Blob streams a blob; whoever reads it holds it to its descriptor.
	Blob(ctx context.Context, d oci.Descriptor) (io.ReadCloser, error)

	// Referrers lists what is said to hang on a manifest.
	Referrers(ctx context.Context, d oci.Descriptor) ([]oci.Descriptor, error)

	// Tagged gives the manifest that a tag names, if there is one.
	Tagged(ctx context.Context, tag string) (d oci.Descriptor, ok bool, err error)
}

// survey is all that there is of an image in one place.
type survey struct {
	from    Source
	image   oci.Descriptor
	things  map[string]*thing // by digest
	order   []*thing          // children before parents, subjects before what hangs on them
	parts   map[string]bool   // the image, and what it consists of: not what hangs there
	bytes   int64             // of manifests
	missing []Note
	strays  []Note // what is listed, and does not hang on the image
}

// thing is a manifest.
type thing struct {
	oci.Descriptor
	raw      []byte // nil: a stray, which was not followed
	contents oci.Contents
	hanging  []oci.Descriptor // what is listed to hang on it
	tags     []tag            // of cosign 1 and 2
	unseen   []Note           // what could not be looked at
}

// tag names a manifest.
type tag struct {
	name string
	oci.Descriptor
}

// found is a manifest that something led to.
type found struct {
	oci.Descriptor
	under string // digest of what it is listed to hang on; empty: it is a part, or tagged
}

// look surveys an image, generation by generation. Errors: that of the image's own
// manifest, *oci.Unseen where it is too much, the context's.
func look(ctx context.Context, from Source, image oci.Descriptor) (*survey, error) {
	s := &survey{from: from, image: image, things: map[string]*thing{}, parts: map[string]bool{}}
	queued := map[string]bool{image.Digest: true}
	for todo := []found{{Descriptor: image}}; len(todo) > 0; {
		if len(queued) > MaxManifests {
			return nil, &oci.Unseen{Reason: oci.TooMuch, Err: fmt.Errorf("more than %d manifests hang together with the image", MaxManifests)}
		}
		next, err := s.generation(ctx, todo)
		if err != nil {
			return nil, err
		}
		todo = slices.DeleteFunc(next, func(f found) bool {
			known := queued[f.Digest]
			queued[f.Digest] = true
			return known
		})
	}
	s.divide(image.Digest)
	s.arrange(image.Digest, map[string]bool{})
	return s, nil
}

// generation looks at manifests, several at once, and gives what they lead to.
func (s *survey) generation(ctx context.Context, todo []found) ([]found, error) {
	things, errs := make([]*thing, len(todo)), make([]error, len(todo))
	each(len(todo), parallel, func(i int) { things[i], errs[i] = s.see(ctx, todo[i]) })
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	var next []found
	for i, f := range todo {
		switch t := things[i]; {
		case errs[i] != nil && f.Digest == s.image.Digest:
			return nil, errs[i]
		case errs[i] != nil:
			s.missing = append(s.missing, Note{f.Digest, errs[i].Error()})
		default:
			s.things[f.Digest] = t
			s.bytes += f.Size
			s.missing = append(s.missing, t.unseen...)
			next = append(next, t.leads()...)
		}
	}
	if s.bytes > MaxBytes {
		return nil, &oci.Unseen{Reason: oci.TooMuch, Err: fmt.Errorf("the manifests of the image have more than %d bytes together", int64(MaxBytes))}
	}
	return next, nil
}

// each does n things, some of them at once.
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

// see fetches a manifest, and lists what hangs on it.
func (s *survey) see(ctx context.Context, f found) (*thing, error) {
	raw, err := s.from.Manifest(ctx, f.Descriptor)
	if err != nil {
		return nil, err
	}
	t := &thing{Descriptor: f.Descriptor, raw: raw}
	if t.contents, err = oci.ParseContents(f.Descriptor, raw); err != nil {
		return nil, err
	}
	if f.under != "" && !t.hangsOn(f.under) {
		return &thing{Descriptor: f.Descriptor}, nil
	}
	if t.hanging, err = s.from.Referrers(ctx, f.Descriptor); err != nil {
		t.unseen = append(t.unseen, Note{f.Digest, "what hangs on it is not known: " + err.Error()})
	}
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

func (t *thing) hangsOn(digest string) bool {
	return t.contents.Subject != nil && t.contents.Subject.Digest == digest
}

// leads are the manifests that this one points to, or that hang on it.
func (t *thing) leads() []found {
	var all []found
	for _, d := range t.contents.Manifests {
		all = append(all, found{Descriptor: d})
	}
	for _, d := range t.hanging {
		all = append(all, found{d, t.Digest})
	}
	for _, one := range t.tags {
		all = append(all, found{Descriptor: one.Descriptor})
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

// arrange puts manifests into the order in which they are to be put. What was
// listed to hang where it does not is a stray.
func (s *survey) arrange(digest string, visited map[string]bool) {
	t := s.things[digest]
	if t == nil || visited[digest] {
		return
	}
	visited[digest] = true
	for _, d := range t.contents.Manifests {
		s.arrange(d.Digest, visited)
	}
	if t.raw == nil {
		s.missing = append(s.missing, Note{digest, "it is a part, and was listed as hanging on what it does not hang on"})
		return
	}
	s.order = append(s.order, t)
	for _, d := range t.hanging {
		if on := s.things[d.Digest]; on != nil && !on.hangsOn(digest) {
			s.strays = append(s.strays, Note{d.Digest, "listed as hanging on " + digest + ", on which it does not hang"})
			continue
		}
		s.arrange(d.Digest, visited)
	}
	for _, one := range t.tags {
		s.arrange(one.Digest, visited)
	}
}

// blobs are those of all manifests, each once.
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

// blob is what tells blobs apart: a manifest may lie about the size of one that
// another manifest has as well.
type blob struct {
	digest string
	size   int64
}
