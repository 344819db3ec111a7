package oci

import (
	"errors"
	"testing"

	"github.com/hallmark-sign/hallmark/client"
)

// A registry that may answer later is as unavailable as any other service.
func TestUnavailable(t *testing.T) {
	for reason, want := range map[Reason]bool{Busy: true, Unavailable: true, TimedOut: true, Denied: false, Untrusted: false} {
		if got := errors.Is(&RegistryError{Reason: reason, Err: errors.New("x")}, client.ErrUnavailable); got != want {
			t.Errorf("%s: %t", reason, got)
		}
	}
}
