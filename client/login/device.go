package login

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Device has a person log in on another device: out is told the address and the
// code to type there (RFC 8628). Errors: ErrRefused, ErrUnavailable, the
// context's.
func Device(ctx context.Context, o Options, out io.Writer) (string, error) {
	ctx, f, err := o.begin(ctx)
	if err != nil {
		return "", err
	}
	if f.config.Endpoint.DeviceAuthURL == "" {
		return "", fmt.Errorf("%w: %s has no device flow", ErrRefused, o.Issuer)
	}
	pending, err := f.config.DeviceAuth(ctx)
	if err != nil {
		return "", exchangeError(err)
	}
	fmt.Fprintf(out, "On any device, open\n  %s\nand type the code\n  %s\n", pending.VerificationURI, pending.UserCode)
	answer, err := f.config.DeviceAccessToken(ctx, pending)
	if err != nil {
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return "", fmt.Errorf("waiting for the login: %w", err)
		}
		return "", exchangeError(err)
	}
	return f.idToken(ctx, answer, "")
}
