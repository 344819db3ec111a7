// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"sync"

	"github.com/hallmark-sign/hallmark/oci"
)

// A Layout is a source of images. It is safe for concurrent use.
type Layout struct {
	files      fs.FS
	close      func() error
	repository string // REGISTRY/REPO whose tags apply; empty means any

	mutex    sync.RWMutex // guards the following fields
	index    index
	under    map[string][]oci.Descriptor // attachments of a manifest, by its digest
	lost     []oci.Descriptor            // unreadable attachments, which may belong to any manifest
	attached map[string]bool             // digests of both lists
}

// Open reads a directory, or an archive of one (.tar, not compressed). The
// caller must close the layout.
func Open(ctx context.Context, name string) (*Layout, error) {
	l, err := open(ctx, name)
	if err == nil {
		if err = l.read(ctx); err == nil {
			return l, nil
		}
		l.Close()
	}
	return nil, fmt.Errorf("opening image layout: %w", err)
}

func open(ctx context.Context, name string) (*Layout, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		archive, err := openArchive(ctx, name)
		if err != nil {
			return nil, err
		}
		return &Layout{files: archive, close: archive.file.Close}, nil
	}
	root, err := os.OpenRoot(name) // prevents opening files outside
	if err != nil {
		return nil, err
	}
	return &Layout{files: root.FS(), close: root.Close}, nil
}

// Close closes the layout.
func (l *Layout) Close() error { return l.close() }

func (l *Layout) read(ctx context.Context) error {
	mark, err := l.readFile(markFile, maxMark)
	if err != nil {
		return err
	}
	if err := parseMark(mark); err != nil {
		return err
	}
	raw, err := l.readFile(indexFile, oci.MaxManifest)
	if err != nil {
		return err
	}
	if l.index, err = parseIndex(raw); err != nil {
		return err
	}
	return l.arrange(ctx)
}

// arrange finds the subjects of attachments. Unreadable attachments are
// reported to the caller that reads them. Errors are those of the context.
func (l *Layout) arrange(ctx context.Context) error {
	l.under, l.attached, l.lost = map[string][]oci.Descriptor{}, map[string]bool{}, nil
	type entry struct {
		digest, mediaType string
		size              int64
	}
	unread := map[entry]error{} // nil if it was read; repeated entries are read once
	for _, d := range l.index.Manifests {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		e := entry{d.Digest, d.MediaType, d.Size}
		err, known := unread[e]
		if l.attached[d.Digest] || known && err == nil {
			continue
		}
		var subject *oci.Descriptor
		if !known {
			subject, err = l.subject(d)
			unread[e] = err
		}
		switch {
		case err != nil && d.ArtifactType != "":
			l.lost = append(l.lost, d)
		case err != nil && !isNamed(d):
			l.lost = append(l.lost, d) // it may also be an image that is chosen
			continue
		case err == nil && subject != nil:
			l.under[subject.Digest] = append(l.under[subject.Digest], d)
		default:
			continue
		}
		l.attached[d.Digest] = true
	}
	return l.unlisted(ctx)
}

// isNamed reports whether an entry is an image that can be chosen.
func isNamed(d oci.Descriptor) bool {
	return d.Annotations[noteTag] != "" || d.Annotations[noteName] != "" || d.Annotations[noteKind] != ""
}

// subject returns the subject of a manifest, or nil.
func (l *Layout) subject(d oci.Descriptor) (*oci.Descriptor, error) {
	raw, err := l.manifest(d)
	if err != nil {
		return nil, err
	}
	c, err := oci.ParseContents(d, raw)
	return c.Subject, err
}

// openFile opens a regular file.
func (l *Layout) openFile(name string) (fs.File, int64, error) {
	info, err := fs.Stat(l.files, name) // checked first, since opening a pipe would block
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is not a regular file", name)
	}
	f, err := l.files.Open(name)
	return f, info.Size(), err
}

func (l *Layout) readFile(name string, limit int64) ([]byte, error) {
	f, size, err := l.openFile(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if size > limit || int64(len(raw)) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", name, limit)
	}
	return raw, nil
}

// openBlob opens the blob of a descriptor if it has the right size.
func (l *Layout) openBlob(d oci.Descriptor) (fs.File, error) {
	digits, err := d.Hex()
	if err != nil {
		return nil, err
	}
	f, size, err := l.openFile(path.Join(blobsDir, digits))
	if err != nil {
		return nil, err
	}
	if size != d.Size {
		f.Close()
		return nil, fmt.Errorf("%s has %d bytes, %w %d", d.Digest, size, errSize, d.Size)
	}
	return f, nil
}

var errSize = errors.New("its descriptor says")

func (l *Layout) manifest(d oci.Descriptor) ([]byte, error) {
	if err := d.CheckManifest(); err != nil {
		return nil, err
	}
	f, err := l.openBlob(d)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(oci.Verified(f, d))
}

// Manifest returns a manifest after checking it against its descriptor.
func (l *Layout) Manifest(_ context.Context, d oci.Descriptor) ([]byte, error) { return l.manifest(d) }

// Blob streams a blob. The content is not verified; use [oci.Verified].
func (l *Layout) Blob(_ context.Context, d oci.Descriptor) (io.ReadCloser, error) {
	return l.openBlob(d)
}

// Referrers returns the attachments of a manifest from index.json, or from the
// fallback tag. It includes unreadable ones, which may belong to it.
func (l *Layout) Referrers(ctx context.Context, d oci.Descriptor) ([]oci.Descriptor, error) {
	l.mutex.RLock()
	listed := slices.Concat(l.under[d.Digest], l.lost)
	l.mutex.RUnlock()
	tagged, ok, err := l.Tagged(ctx, d.FallbackTag())
	if err != nil || !ok {
		return listed, err
	}
	raw, err := l.manifest(tagged)
	if err != nil {
		return nil, err
	}
	c, err := oci.ParseContents(tagged, raw)
	return append(listed, c.Manifests...), err
}

// Tagged returns the manifest that a tag names and reports whether there is
// one. If the repository is known, only its tags count.
func (l *Layout) Tagged(_ context.Context, tag string) (d oci.Descriptor, ok bool, err error) {
	l.mutex.RLock()
	defer l.mutex.RUnlock()
	for _, one := range l.index.Manifests {
		named := one.Annotations[noteName]
		if one.Annotations[noteTag] != tag || l.repository != "" && named != "" && named != l.repository+":"+tag {
			continue
		}
		if ok && one.Digest != d.Digest {
			return d, false, fmt.Errorf("the tag %q names several manifests", tag)
		}
		d, ok = oci.Descriptor{MediaType: one.MediaType, Size: one.Size, Digest: one.Digest}, true
	}
	return d, ok, nil
}
