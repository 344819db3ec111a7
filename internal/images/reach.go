// SPDX-License-Identifier: Apache-2.0

package images

import (
	"context"
	"time"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/lookup"
	"github.com/hallmark-sign/hallmark/oci"
)

// A Reach holds the settings for reaching registries, and for the images that a verb takes.
type Reach struct {
	CACert      string // PEM file with the certificate authorities of registries; empty: the system's
	PlainUnsafe bool   // allow plain HTTP to other machines
	Recursive   bool   // take every platform of an image as well
	Timeout     time.Duration
}

// Registry returns a client for registries. It makes no request.
func (f Reach) Registry() (*lookup.Registry, error) {
	o := oci.Options{Timeout: f.Timeout, PlainHTTPUnsafe: f.PlainUnsafe}
	if f.CACert != "" {
		roots, _, err := cli.ReadAuthorities(f.CACert)
		if err != nil {
			return nil, err
		}
		o.Transport = client.Transport(roots)
	}
	return &lookup.Registry{Client: oci.New(o)}, nil
}

// Expand returns args with the platforms of each image after it if recursive.
func (f Reach) Expand(ctx context.Context, r *lookup.Registry, args []string) ([]string, error) {
	if !f.Recursive {
		return args, nil
	}
	return r.Expand(ctx, args)
}
