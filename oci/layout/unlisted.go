// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hallmark-sign/hallmark/oci"
)

// unlisted finds attachments among the blobs of any algorithm that are not in
// index.json, since cosign lists only the image. It includes those that can't
// be copied, so that the reader gets the reason. Errors are those of the
// context and of unreadable directories.
func (l *Layout) unlisted(ctx context.Context) error {
	listed := map[string]bool{}
	for _, d := range l.index.Manifests {
		listed[d.Digest] = true
	}
	algorithms, err := l.entries(path.Dir(blobsDir))
	if err != nil {
		return err
	}
	for _, algorithm := range algorithms {
		dir := path.Join(path.Dir(blobsDir), algorithm.Name())
		if !algorithm.IsDir() {
			continue
		}
		blobs, err := l.entries(dir)
		if err != nil {
			return err
		}
		for _, blob := range blobs {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			digest := algorithm.Name() + ":" + blob.Name()
			if listed[digest] || blob.IsDir() || strings.Trim(blob.Name(), "0123456789abcdef") != "" {
				continue
			}
			l.findSubject(path.Join(dir, blob.Name()), digest)
		}
	}
	return nil
}

// entries lists a directory. A missing directory is empty.
func (l *Layout) entries(dir string) ([]fs.DirEntry, error) {
	all, err := fs.ReadDir(l.files, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for attachments: %w", err)
	}
	return all, nil
}

// findSubject records a blob that looks like a manifest with a subject, and an
// unreadable one.
func (l *Layout) findSubject(name, digest string) {
	raw, err := l.likeManifest(name)
	if err != nil {
		l.lost = append(l.lost, oci.Descriptor{Digest: digest})
	}
	if raw == nil {
		return
	}
	var m struct {
		MediaType    string          `json:"mediaType"`
		ArtifactType string          `json:"artifactType"`
		Subject      *oci.Descriptor `json:"subject"`
	}
	lenient := json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if json.Unmarshal(raw, &m, lenient) != nil || m.Subject == nil || m.Subject.Digest == "" {
		return
	}
	d := oci.Descriptor{MediaType: m.MediaType, Size: int64(len(raw)), Digest: digest, ArtifactType: m.ArtifactType}
	if known, err := oci.Identify(raw, m.MediaType); err == nil {
		d.MediaType = known.MediaType
	}
	l.attached[digest] = true
	l.under[m.Subject.Digest] = append(l.under[m.Subject.Digest], d)
}

// likeManifest reads a blob that may be a manifest: a JSON object of bounded
// size that contains the word subject. Of layers it reads only the first bytes.
func (l *Layout) likeManifest(name string) ([]byte, error) {
	f, size, err := l.openFile(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	start := make([]byte, min(size, 64))
	if size > oci.MaxManifest || size == 0 {
		return nil, nil
	}
	if _, err := io.ReadFull(f, start); err != nil {
		return nil, err
	}
	if text := bytes.TrimLeft(start, " \t\r\n"); len(text) > 0 && text[0] != '{' {
		return nil, nil
	}
	rest, err := io.ReadAll(io.LimitReader(f, oci.MaxManifest))
	if err != nil {
		return nil, err
	}
	raw := append(start, rest...)
	if !bytes.Contains(raw, []byte(`"subject"`)) {
		return nil, nil
	}
	return raw, nil
}
