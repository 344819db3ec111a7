package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"

	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

// TrustFiles are what an instance publishes of itself, as they lie there.
type TrustFiles struct {
	Root          []byte // see trust.Parse
	SigningConfig []byte // see trust.ParseSigningConfig
	LogPolicy     []byte // see checkpoint.ParseWitnessPolicy; nil: there is none
}

// Trust fetches the trust files of the instance at url. Nothing vouches for them but
// the connection: whoever pins them compares a fingerprint. Errors: ErrUnavailable,
// *StatusError, trust.ErrMalformed, checkpoint.ErrWitnessPolicy.
func Trust(ctx context.Context, h *http.Client, url string) (TrustFiles, error) {
	var files TrustFiles
	var err error
	if files.Root, err = Get(ctx, h, url+"/trust/"+trust.RootFile, trust.MaxSize); err != nil {
		return TrustFiles{}, fmt.Errorf("fetching trusted root: %w", err)
	}
	if files.SigningConfig, err = Get(ctx, h, url+"/trust/"+trust.SigningConfigFile, trust.MaxSize); err != nil {
		return TrustFiles{}, fmt.Errorf("fetching signing config: %w", err)
	}
	files.LogPolicy, err = Get(ctx, h, url+"/trust/"+trust.LogPolicyFile, checkpoint.MaxWitnessPolicy)
	if refusal := new(StatusError); errors.As(err, &refusal) && refusal.Status == http.StatusNotFound {
		files.LogPolicy, err = nil, nil
	}
	if err != nil {
		return TrustFiles{}, fmt.Errorf("fetching log policy: %w", err)
	}
	return files, files.check()
}

// Fingerprint names all trust files of an instance at once, so that none can be exchanged or
// left out: the SHA-256 of one behind the other, as
//
//	cat trust/trusted_root.json trust/signing_config.v0.2.json trust/log_policy | sha256sum
//
// and without the last where there is none.
func (f TrustFiles) Fingerprint() string {
	h := sha256.New()
	h.Write(f.Root)
	h.Write(f.SigningConfig)
	h.Write(f.LogPolicy)
	return hex.EncodeToString(h.Sum(nil))
}

func (f TrustFiles) check() error {
	if _, err := trust.Parse(f.Root); err != nil {
		return err
	}
	if _, err := trust.ParseSigningConfig(f.SigningConfig); err != nil {
		return err
	}
	if f.LogPolicy == nil {
		return nil
	}
	_, err := checkpoint.ParseWitnessPolicy(f.LogPolicy)
	return err
}
