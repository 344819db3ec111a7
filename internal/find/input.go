// SPDX-License-Identifier: Apache-2.0

package find

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/hallmark-sign/hallmark/internal/fault"
)

// Stdin is the name of standard input in place of a file's; ./- is a file of that name.
const Stdin = "-"

// ReadFile reads a file of at most limit bytes, or standard input. Errors: Unreadable.
func ReadFile(path string, limit int64) ([]byte, error) {
	if path == Stdin {
		return readAll(path, os.Stdin, limit)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.Unreadable(path, err)
	}
	defer f.Close()
	return readAll(path, f, limit)
}

// Parsed reads a file of at most limit bytes, or standard input, and parses it. Errors:
// Unreadable.
func Parsed[T any](path string, limit int64, parse func(raw []byte) (T, error)) (T, error) {
	var none T
	raw, err := ReadFile(path, limit)
	if err != nil {
		return none, err
	}
	value, err := parse(raw)
	if err != nil {
		return none, fault.Unreadable(path, err)
	}
	return value, nil
}

func readAll(path string, f *os.File, limit int64) ([]byte, error) {
	var raw bytes.Buffer
	if info, err := f.Stat(); err == nil {
		if info.Mode().IsRegular() && info.Size() > limit {
			return nil, fault.Unreadable(path, fmt.Errorf("more than %d bytes", limit))
		}
		raw.Grow(int(min(info.Size(), limit)) + bytes.MinRead)
	}
	if _, err := raw.ReadFrom(io.LimitReader(f, limit+1)); err != nil {
		return nil, fault.Unreadable(path, err)
	}
	if int64(raw.Len()) > limit {
		return nil, fault.Unreadable(path, fmt.Errorf("more than %d bytes", limit))
	}
	return raw.Bytes(), nil
}

// UntilDone returns a reader that ends with ctx: what is read for minutes must not
// outlive a Ctrl-C.
type UntilDone struct {
	Ctx context.Context
	io.Reader
}

// Read reads, or returns the context's error.
func (u UntilDone) Read(p []byte) (int, error) {
	if err := u.Ctx.Err(); err != nil {
		return 0, err
	}
	return u.Reader.Read(p)
}
