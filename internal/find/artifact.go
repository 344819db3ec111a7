// SPDX-License-Identifier: Apache-2.0

package find

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"sync"

	"github.com/hallmark-sign/hallmark/verify"
)

// Opener gives the artifact that a bundle is to be of, once for each.
type Opener func(Source) (verify.Artifact, io.Closer, error)

// Opener returns the artifact's opener. An artifact that can be read only once is hashed
// for all bundles.
func (t Target) Opener(ctx context.Context, stdin io.Reader, bundles int) Opener {
	nothing := io.NopCloser(nil)
	switch {
	case t.claimed:
		return func(p Source) (verify.Artifact, io.Closer, error) {
			artifact, err := Claimed(p.Bundle)
			if err != nil {
				err = &verify.Error{Step: verify.StepStatement, Code: verify.StatementInvalid, Err: err}
			}
			return artifact, nothing, err
		}
	case t.content != nil:
		return func(Source) (verify.Artifact, io.Closer, error) {
			return verify.FromReader(bytes.NewReader(t.content)), nothing, nil
		}
	case t.Digest != nil:
		return func(p Source) (verify.Artifact, io.Closer, error) {
			artifact, err := Image(t.Digest, p.Payload)
			return artifact, nothing, err
		}
	case t.stdin && bundles == 1:
		return func(Source) (verify.Artifact, io.Closer, error) {
			return verify.FromReader(UntilDone{ctx, stdin}), nothing, nil
		}
	case t.stdin:
		artifact, err := verify.ReadArtifact(UntilDone{ctx, stdin})
		return func(Source) (verify.Artifact, io.Closer, error) { return artifact, nothing, err }
	case bundles > 1:
		read := sync.OnceValues(func() (verify.Artifact, error) { return t.read(ctx) })
		return func(Source) (verify.Artifact, io.Closer, error) {
			artifact, err := read()
			return artifact, nothing, err
		}
	}
	return func(Source) (verify.Artifact, io.Closer, error) {
		f, err := t.open()
		if err != nil {
			return verify.Artifact{}, nil, err
		}
		return verify.FromReader(UntilDone{ctx, f}), f, nil
	}
}

func (t Target) read(ctx context.Context) (verify.Artifact, error) {
	f, err := t.open()
	if err != nil {
		return verify.Artifact{}, err
	}
	defer f.Close()
	return verify.ReadArtifact(UntilDone{ctx, f})
}

// open opens what can be read to an end.
func (t Target) open() (*os.File, error) {
	if t.found {
		if err := checkRegular(t.path); err != nil {
			return nil, err
		}
	}
	f, err := os.Open(t.path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = errors.New("is a directory")
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// checkRegular refuses pipes and devices, which nobody has named and for which
// one would wait for ever.
func checkRegular(path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		err = errors.New("is a pipe or a device, not a file")
	}
	return err
}
