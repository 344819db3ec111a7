// SPDX-License-Identifier: Apache-2.0

package find

import (
	"bytes"
	"context"
	"crypto"
	"encoding/hex"
	"errors"
	"hash"
	"io"

	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/verify"
)

// Sum returns the SHA-256 of a file. A file that a list of checksums names must be the
// one that is listed.
func (t Target) Sum(ctx context.Context) ([]byte, error) {
	sums, err := t.Sums(ctx)
	return sums[crypto.SHA256], err
}

// Sums returns the SHA-256 of a file, and the digests by which lists name it, having
// checked the one by which it was found.
func (t Target) Sums(ctx context.Context) (digests, error) {
	if t.Problem != nil {
		return nil, t.Problem
	}
	if t.path == "" {
		return nil, fault.Unreadable(t.Name, errors.New("not a file"))
	}
	f, err := t.open()
	if err != nil {
		return nil, fault.Unreadable(t.Name, err)
	}
	defer f.Close()
	hashes := []crypto.Hash{crypto.SHA256, t.listed.Hash}
	for _, m := range t.Mentions {
		hashes = append(hashes, m.Hash)
	}
	sums, err := sumsOf(ctx, t.Name, f, hashes...)
	if want := t.listed; err == nil && want.Digest != nil && !bytes.Equal(sums[want.Hash], want.Digest) {
		err = Mismatch(t.Name, DigestText(want.Hash, want.Digest)+", by the list", DigestText(want.Hash, sums[want.Hash]))
	}
	return sums, err
}

// digests are of one content, by algorithm.
type digests map[crypto.Hash][]byte

// sumsOf reads r to its end. Hashes may be repeated; zero ones are skipped.
func sumsOf(ctx context.Context, name string, r io.Reader, hashes ...crypto.Hash) (digests, error) {
	states := map[crypto.Hash]hash.Hash{}
	var all []io.Writer
	for _, h := range hashes {
		if h != 0 && states[h] == nil {
			states[h] = h.New()
			all = append(all, states[h])
		}
	}
	if _, err := io.Copy(io.MultiWriter(all...), UntilDone{ctx, r}); err != nil {
		return nil, Unread(name, err)
	}
	sums := digests{}
	for h, state := range states {
		sums[h] = state.Sum(nil)
	}
	return sums, nil
}

func sumOf(ctx context.Context, name string, r io.Reader) ([]byte, error) {
	sums, err := sumsOf(ctx, name, r, crypto.SHA256)
	return sums[crypto.SHA256], err
}

// Mismatch returns the problem for a file that is not the one that was signed.
func Mismatch(name, expected, found string) error {
	return fault.About(name, &verify.Error{Code: verify.ArtifactMismatch, Expected: expected, Found: found})
}

// AnySum returns the SHA-256 of the target, of any kind.
func (t Target) AnySum(ctx context.Context, stdin io.Reader) ([]byte, error) {
	switch {
	case t.Digest != nil:
		return t.Digest, nil
	case t.stdin:
		return sumOf(ctx, t.Name, stdin)
	}
	return t.Sum(ctx)
}

// Hash replaces the artifact by its SHA-256.
func (t *Target) Hash(ctx context.Context, stdin io.Reader) (err error) {
	if t.Digest != nil {
		return nil
	}
	in := stdin
	switch {
	case t.content != nil:
		in = bytes.NewReader(t.content)
	case !t.stdin:
		f, err := t.open()
		if err != nil {
			return fault.Unreadable(t.Name, err)
		}
		defer f.Close()
		in = f
	}
	t.Digest, err = sumOf(ctx, t.Name, in)
	return err
}

// DigestText returns a digest with its algorithm, such as sha256:9f86….
func DigestText(hash crypto.Hash, digest []byte) string {
	names := map[crypto.Hash]string{crypto.SHA256: "sha256", crypto.SHA384: "sha384", crypto.SHA512: "sha512"}
	return names[hash] + ":" + hex.EncodeToString(digest)
}

// Unread returns the problem for an artifact that could not be read to its end.
func Unread(name string, err error) error {
	if errors.Is(err, context.Canceled) {
		return fault.Interrupted(name)
	}
	return fault.Unreadable(name, err)
}

// Listed reports whether a list of checksums that was named lists the file.
func (t Target) Listed() bool { return t.listed.Digest != nil }
