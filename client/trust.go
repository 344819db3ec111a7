package client

import (
	"context"
	"fmt"
	"net/http"

	"github.com/hallmark-sign/hallmark/trust"
)

// Trust fetches the trusted root and the signing config of the instance at url,
// as they lie there. Nothing vouches for them but the connection: whoever pins
// them compares a fingerprint. Errors: ErrUnavailable, *StatusError,
// trust.ErrMalformed.
func Trust(ctx context.Context, h *http.Client, url string) (trustedRoot, signingConfig []byte, err error) {
	if trustedRoot, err = Get(ctx, h, url+"/trust/"+trust.RootFile, trust.MaxSize); err != nil {
		return nil, nil, fmt.Errorf("fetching trusted root: %w", err)
	}
	if signingConfig, err = Get(ctx, h, url+"/trust/"+trust.SigningConfigFile, trust.MaxSize); err != nil {
		return nil, nil, fmt.Errorf("fetching signing config: %w", err)
	}
	if _, err := trust.Parse(trustedRoot); err != nil {
		return nil, nil, err
	}
	if _, err := trust.ParseSigningConfig(signingConfig); err != nil {
		return nil, nil, err
	}
	return trustedRoot, signingConfig, nil
}
