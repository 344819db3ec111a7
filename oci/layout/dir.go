// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-sign/hallmark/oci"
)

// A Dir is a directory that images of one repository are written to. It is safe
// for concurrent use. Two processes that write to one directory at once may
// lose each other's entries of index.json.
type Dir struct {
	*Layout
	root *os.Root

	// guarded by the layout's mutex
	added []oci.Descriptor
	whole map[string]bool // digests of verified blobs
}

// stale is the age after which temporary files of killed processes are removed.
const stale = time.Hour

const tempPrefix = ".tmp-"

// Create opens a layout, or creates one in an empty or missing directory, for
// images of REGISTRY/REPO. The caller must close it.
func Create(ctx context.Context, name, repository string) (*Dir, error) {
	d, err := create(ctx, name, repository)
	if err != nil {
		return nil, fmt.Errorf("making image layout: %w", err)
	}
	return d, nil
}

func create(ctx context.Context, name, repository string) (*Dir, error) {
	if err := os.MkdirAll(name, 0o755); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	d := &Dir{Layout: &Layout{files: root.FS(), close: root.Close, repository: repository}, root: root, whole: map[string]bool{}}
	if err := d.begin(ctx); err != nil {
		root.Close()
		return nil, err
	}
	return d, nil
}

// begin marks the directory as a layout and reads its index.
func (d *Dir) begin(ctx context.Context) error {
	entries, err := fs.ReadDir(d.files, ".")
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return !strings.HasPrefix(e.Name(), tempPrefix) }) {
		if err := d.replace(markFile, []byte(`{"imageLayoutVersion":"`+version+`"}`)); err != nil {
			return err
		}
	}
	mark, err := d.readFile(markFile, maxMark)
	if err != nil {
		return fmt.Errorf("the directory has other content: %w", err)
	}
	if err := parseMark(mark); err != nil {
		return err
	}
	if err := d.root.MkdirAll(blobsDir, 0o755); err != nil {
		return err
	}
	d.sweep()
	if err := d.reread(); err != nil {
		return err
	}
	return d.arrange(ctx)
}

// sweep removes temporary files of killed processes.
func (d *Dir) sweep() {
	entries, _ := fs.ReadDir(d.files, blobsDir)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && strings.HasPrefix(e.Name(), tempPrefix) && time.Since(info.ModTime()) > stale {
			_ = d.root.Remove(path.Join(blobsDir, e.Name()))
		}
	}
}

// reread reads the current index.json and adds the new entries.
func (d *Dir) reread() error {
	i := index{SchemaVersion: 2, MediaType: oci.TypeIndex}
	raw, err := d.readFile(indexFile, oci.MaxManifest)
	if err == nil {
		i, err = parseIndex(raw)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, entry := range d.added {
		i.add(entry)
	}
	d.index = i
	return nil
}

// write writes a temporary file, syncs it, and renames it.
func (d *Dir) write(name string, content io.Reader) error {
	temp := path.Join(path.Dir(name), tempPrefix+rand.Text())
	f, err := d.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = d.root.Rename(temp, name)
	}
	if err != nil {
		_ = d.root.Remove(temp)
	}
	return err
}

// replace writes a file and makes its name durable.
func (d *Dir) replace(name string, raw []byte) error {
	if err := d.write(name, bytes.NewReader(raw)); err != nil {
		return err
	}
	return d.syncDir(path.Dir(name))
}

func (d *Dir) syncDir(name string) error {
	if runtime.GOOS == "windows" {
		return nil // Windows syncs names with their files
	}
	dir, err := d.root.Open(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// HasBlob reports whether the directory has the blob. It verifies the content
// once. A damaged blob counts as missing.
func (d *Dir) HasBlob(_ context.Context, blob oci.Descriptor) (bool, error) {
	d.mutex.RLock()
	whole := d.whole[blob.Digest]
	d.mutex.RUnlock()
	f, err := d.openBlob(blob)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errSize) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	if whole {
		return true, nil
	}
	_, err = io.Copy(io.Discard, oci.Verified(f, blob))
	if u := new(oci.RegistryError); errors.As(err, &u) {
		return false, nil
	}
	d.saw(blob, err == nil)
	return err == nil, err
}

func (d *Dir) saw(blob oci.Descriptor, whole bool) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.whole[blob.Digest] = whole
}

// PutBlob writes a blob that open streams, verified.
func (d *Dir) PutBlob(ctx context.Context, blob oci.Descriptor, open func(context.Context) (io.ReadCloser, error)) error {
	digits, err := blob.Hex()
	if err != nil {
		return err
	}
	content, err := open(ctx)
	if err != nil {
		return err
	}
	defer content.Close()
	if err := d.write(path.Join(blobsDir, digits), content); err != nil {
		return fmt.Errorf("writing blob: %w", err)
	}
	d.saw(blob, true)
	return nil
}

// PutManifest writes a manifest. UpdateFallbackTag or Publish lists it.
func (d *Dir) PutManifest(ctx context.Context, m oci.Descriptor, raw []byte) (listed bool, err error) {
	if has, err := d.HasBlob(ctx, m); err != nil || has {
		return false, err
	}
	return false, d.PutBlob(ctx, m, func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil })
}

// UpdateFallbackTag lists attachments of a manifest. They are written to
// index.json when an image is published.
func (d *Dir) UpdateFallbackTag(_ context.Context, subject oci.Descriptor, own []oci.Descriptor) error {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.added = append(d.added, own...)
	for _, one := range own {
		if !d.attached[one.Digest] {
			d.attached[one.Digest] = true
			d.under[subject.Digest] = append(d.under[subject.Digest], one)
		}
	}
	return nil
}

// Publish lists a manifest, under its tag if it has one, and replaces
// index.json.
func (d *Dir) Publish(_ context.Context, tag string, m oci.Descriptor, _ []byte) error {
	entry := oci.Descriptor{MediaType: m.MediaType, Size: m.Size, Digest: m.Digest}
	if tag != "" {
		entry.Annotations = map[string]string{noteTag: tag, noteName: d.repository + ":" + tag}
	}
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.added = append(d.added, entry)
	if err := d.reread(); err != nil {
		return err
	}
	d.index.mark(func(m oci.Descriptor) bool { return d.attached[m.Digest] }, func(image oci.Descriptor) bool {
		return slices.ContainsFunc(d.under[image.Digest], oci.Descriptor.IsBundle)
	})
	raw, err := d.index.marshal()
	if err != nil {
		return err
	}
	if err := d.syncDir(blobsDir); err != nil {
		return err
	}
	return d.replace(indexFile, raw)
}
