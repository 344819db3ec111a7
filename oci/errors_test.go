// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"fmt"
	"testing"

	"github.com/hallmark-sign/hallmark/client"
)

// A registry that may answer later is as unavailable as any other service.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	for reason, want := range map[Reason]bool{Busy: true, Unavailable: true, TimedOut: true, Denied: false, Untrusted: false} {
		if got := errors.Is(&RegistryError{Reason: reason, Err: errors.New("x")}, client.ErrUnavailable); got != want {
			t.Errorf("%s: %t", reason, got)
		}
	}
}

// Plain HTTP that is refused here, as that of a token service, is no service to wait for.
func TestPlainIsNoTLS(t *testing.T) {
	t.Parallel()
	u := new(RegistryError)
	if err := registryError(fmt.Errorf("greeting: %w", errPlain)); !errors.As(err, &u) || u.Reason != NoTLS {
		t.Error(err)
	}
}
