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

// Limits of one image, with all that hangs on it.
const (
	MaxManifests = 20_000    // platforms, attachments, and what hangs on them
	MaxBytes     = 128 << 20 // of manifests, which are kept in memory, and of lists
	MaxValues    = 1_000_000 // in manifests and lists, which are kept parsed
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
	queued  map[string]bool   // digests of what was looked at, or is about to be
	bytes   atomic.Int64      // of manifests and lists
	values  atomic.Int64      // in them
	missing []Note
	strays  []Note // what is listed, and does not hang on the image
}

// thing is a manifest.
type thing struct {
	oci.Descriptor
	raw      []byte // nil: a stray, which was not followed, and of which only the subject is known
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

// lead is where something leads to.
type lead struct {
	oci.Descriptor
	under string // digest of what it is listed to hang on; empty: it is a part, or tagged
}

// found is a manifest that leads lead to.
type found struct {
	oci.Descriptor
	under []string // of each lead
}

// look surveys an image, generation by generation. Errors: that of the image's own
// manifest, *oci.RegistryError where it is too much, the context's.
func look(ctx context.Context, from Source, image oci.Descriptor) (*survey, error) {
	s := &survey{from: from, image: image, things: map[string]*thing{}, parts: map[string]bool{}, queued: map[string]bool{}}
	for todo := s.due([]lead{{image, ""}}); len(todo) > 0; {
		if len(s.queued) > MaxManifests {
			return nil, &oci.RegistryError{Reason: oci.TooMuch, Err: fmt.Errorf("more than %d manifests hang together with the image", MaxManifests)}
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

// due are the manifests that are to be looked at: what was not yet, once, with all
// that it is listed under; and what was left as a stray, where a lead is true.
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

// generation looks at manifests, several at once, and gives what they lead to.
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

// tooMuch: what has been read goes beyond the limits.
func (s *survey) tooMuch() error {
	if s.bytes.Load() > MaxBytes || s.values.Load() > MaxValues {
		return &oci.RegistryError{Reason: oci.TooMuch, Err: fmt.Errorf("the manifests of the image, and the lists of what hangs on them, have more than %d bytes or %d values together", int64(MaxBytes), MaxValues)}
	}
	return nil
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
		t.unseen = append(t.unseen, Note{f.Digest, "what hangs on it is not known: " + err.Error()})
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

// valuesListed is what an entry of a list counts for.
const valuesListed = 5

// belongs says whether a thing is where a lead has it: on its subject, or in no list
// of what hangs on others.
func (t *thing) belongs(under string) bool { return under == "" || t.hangsOn(under) }

func (t *thing) hangsOn(digest string) bool {
	return t.contents.Subject != nil && t.contents.Subject.Digest == digest
}

// leads are the manifests that this one points to, or that hang on it.
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

// arrange puts manifests into the order in which they are to be put. What was
// listed to hang where it does not is a stray.
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
