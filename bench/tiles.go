// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"

	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

// maxTile bounds a response, in bytes: a tile of hashes has 8 KiB.
const maxTile = 64 << 10

// Tiles returns work that reads random tiles of hashes of the log at prefix.
func Tiles(ctx context.Context, h *http.Client, prefix string) (Work, error) {
	raw, err := get(ctx, h, prefix+"/checkpoint")
	if err != nil {
		return Work{}, err
	}
	size, err := sizeOf(raw)
	if err != nil {
		return Work{}, err
	}
	return Work{"tile", func(ctx context.Context) error {
		n := rand.Uint64N(size) / tile.Width
		_, err := get(ctx, h, prefix+"/"+tile.Path(0, n, int(min(tile.Width, size-n*tile.Width))))
		return err
	}}, nil
}

// sizeOf reads the size in a checkpoint, without verifying its signature.
func sizeOf(envelope []byte) (uint64, error) {
	text, _, ok := bytes.Cut(envelope, []byte("\n\n"))
	if !ok {
		return 0, errors.New("not a checkpoint")
	}
	c, err := checkpoint.ParseText(string(text) + "\n")
	if err == nil && c.Size == 0 {
		err = errors.New("the log is empty")
	}
	return c.Size, err
}

func get(ctx context.Context, h *http.Client, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := h.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.ContentLength < 0 || resp.ContentLength > maxTile {
		return nil, fmt.Errorf("%s answers %s with %d bytes", url, resp.Status, resp.ContentLength)
	}
	body := make([]byte, resp.ContentLength)
	_, err = io.ReadFull(resp.Body, body)
	return body, err
}
