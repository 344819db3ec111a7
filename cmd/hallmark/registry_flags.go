package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/lookup"
	"github.com/hallmark-sign/hallmark/internal/verdict"
	"github.com/hallmark-sign/hallmark/oci"
)

// registryFlags say how registries are reached.
type registryFlags struct {
	cacert    string
	plain     bool
	recursive bool
}

func (f *registryFlags) add(cmd *cobra.Command) {
	f.reach(cmd)
	cmd.Flags().BoolVar(&f.recursive, "recursive", false, "take every platform of an image as well")
}

// reach are the flags of verbs that take an image as a whole in any case, or alone.
func (f *registryFlags) reach(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.cacert, "registry-cacert", "", "`FILE` with the certificate authorities (PEM) of registries, instead of the system's")
	cmd.Flags().BoolVar(&f.plain, "registry-plain-http", false, "allow registries on other machines that speak no TLS: anyone on the network can read the credentials, and alter what they answer")
}

// registry reaches them. Nothing is asked yet.
func (f registryFlags) registry(timeout time.Duration) (*lookup.Registry, error) {
	o := oci.Options{Timeout: timeout, PlainHTTPUnsafe: f.plain}
	if f.cacert != "" {
		var err error
		if o.Roots, _, err = readAuthorities(f.cacert); err != nil {
			return nil, err
		}
	}
	return &lookup.Registry{Client: oci.New(o)}, nil
}

// platforms returns the images of an image's platforms if --recursive is given.
func (f registryFlags) platforms(ctx context.Context, r *lookup.Registry, image oci.Image) ([]oci.Image, *verdict.Problem) {
	if !f.recursive {
		return nil, nil
	}
	return r.Platforms(ctx, image)
}

// expand returns args with the platforms of each image after it if --recursive is given.
func (f registryFlags) expand(ctx context.Context, r *lookup.Registry, args []string) ([]string, error) {
	if !f.recursive {
		return args, nil
	}
	return r.Expand(ctx, args)
}
