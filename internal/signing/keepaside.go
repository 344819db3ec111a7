// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/internal/lookup"
	"github.com/hallmark-sign/hallmark/oci"
)

// keepAside writes a bundle into a file that could not be put on its image, as it is in
// the log already, and says how to go on.
func keepAside(one subject, raw []byte, cause error) error {
	out := "sha256-" + hex.EncodeToString(one.image.Sum()) + find.LinesSuffix
	p := fault.Of(lookup.RegistryError(one.name, cause)).With("load", out, one.image.String())
	if err := durable.AddLine(out, raw, 0o644); err != nil {
		p.Err = fmt.Errorf("the signature is logged, is not on the image, and its bundle is lost: %w; %w", cause, err)
		return p.With("")
	}
	p.Err = fmt.Errorf("the signature is logged, is not on the image, and is kept in %s: %w", out, cause)
	if u := new(oci.RegistryError); errors.As(cause, &u) && u.Reason == oci.Refused { // which it would do again
		return p.With("verify-digest", one.image.Digest, out)
	}
	return p
}
