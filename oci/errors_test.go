// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"fmt"
	"testing"

	"github.com/hallmark-sign/hallmark/client"
)

// TestUnavailable checks that errors of a registry that may recover match
// client.ErrUnavailable.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	for reason, want := range map[Reason]bool{Busy: true, Unavailable: true, TimedOut: true, Denied: false, Untrusted: false} {
		if got := errors.Is(&RegistryError{Reason: reason, Err: errors.New("x")}, client.ErrUnavailable); got != want {
			t.Errorf("%s: %t", reason, got)
		}
	}
}

// TestPlainIsNoTLS checks that refused plain HTTP, such as that of a token service, does not
// count as unavailable.
func TestPlainIsNoTLS(t *testing.T) {
	t.Parallel()
	u := new(RegistryError)
	if err := registryError(fmt.Errorf("greeting: %w", errPlain)); !errors.As(err, &u) || u.Reason != NoTLS {
		t.Error(err)
	}
}
