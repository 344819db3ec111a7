// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"context"
	"crypto"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/images"
	"github.com/hallmark-sign/hallmark/internal/lookup"
	"github.com/hallmark-sign/hallmark/internal/trusting"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

// compatCosign2 is the value of Compat for cosign 1 and 2.
const compatCosign2 = "cosign2"

// A Request holds the settings for making bundles and storing them. It is used once.
type Request struct {
	Trust          trusting.Selection
	Login          Login         // of who signs, without Key
	Key            string        // file with a private key; empty: a new key for each signature, and a certificate for it
	PassphraseFile string        // with the passphrase of Key; empty: ask for it
	Bundle         string        // file for the bundle; empty: beside the file that is signed
	Add            bool          // add to the bundles that are there
	Replace        bool          // replace a bundle by another signer
	Resume         bool          // skip files that have a bundle by the same signer that verifies
	Compat         string        // cosign2: also leave on images what cosign 1 and 2 read
	Registry       images.Reach  // also says whether every platform of an image is signed
	Evidence       string        // URL of an evidence store that gets the bundles too; empty: none
	Timeout        time.Duration // of a service, a registry or an evidence store
	Quiet          bool          // do not print what was signed

	env      cli.Environment
	registry *lookup.Registry
	store    *lookup.Store // nil: bundles are kept nowhere else
	manifest bool          // one signature for all subjects
}

// Check reports what is wrong with the command line, before anything is read.
func (r *Request) Check() error {
	if r.Compat != "" && r.Compat != compatCosign2 {
		return fmt.Errorf("--compat %q is not %s", r.Compat, compatCosign2)
	}
	return nil
}

// prepare makes the clients of the registry and of the evidence store. It makes no request.
func (r *Request) prepare(env cli.Environment) (err error) {
	r.env = env
	r.Registry.Timeout = r.Timeout
	if r.registry, err = r.Registry.Registry(); err != nil {
		return err
	}
	r.store, err = r.Trust.EvidenceStore(env, r.Evidence, r.Timeout)
	return err
}

// inputs returns the files that are read for this run, and are not overwritten.
func (r *Request) inputs() []string {
	return []string{r.Key, r.PassphraseFile, r.Login.Given, r.Login.PasswordFile, r.Trust.TrustedRoot, r.Trust.SigningConfig, r.Trust.CACert, r.Registry.CACert}
}

// A session holds the state that the signatures of one run share.
type session struct {
	*Request
	verifier *verify.Verifier
	witness  []checkpoint.WitnessPolicy // that the instance demands
	services *client.Services
	key      crypto.Signer // nil: that of credential
	token    Token         // who signs if key is nil

	credential *credential
	counts     *counts
}

// counts has the numbers of subjects of a run.
type counts struct{ signed, skipped atomic.Int64 }

// session reads the trust files, selects the services, and logs in or reads the key. It is
// called once all that can be checked before has been checked.
func (r *Request) session(ctx context.Context) (*session, error) {
	verifier, facts, err := r.Trust.Verifier(r.env)
	if err != nil {
		return nil, err
	}
	services, roots, err := r.Trust.Services(r.env, r.Timeout)
	if err != nil {
		return nil, err
	}
	s := &session{
		Request: r, verifier: verifier, witness: facts.Witnesses.Policies(), services: services,
		credential: &credential{}, counts: &counts{},
	}
	if r.Key != "" {
		s.key, err = cli.LoadKey(ctx, r.env, r.Key, r.PassphraseFile)
		return s, err
	}
	s.token, err = r.Login.Token(ctx, r.env, s.services.OIDC, roots)
	s.services.Fulcio.Token = s.token.Raw
	s.credential.authority = s.services.Fulcio
	return s, err
}
