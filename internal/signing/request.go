// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"context"
	"crypto"
	"io"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/internal/lookup"
	"github.com/hallmark-sign/hallmark/verify"
)

// A Request says what bundles are made with and where they go. It is used once.
type Request struct {
	Bundle    string   // file for the bundle; empty: beside the file that is signed
	Add       bool     // add to the bundles that are there
	Replace   bool     // replace a bundle of somebody else
	Legacy    bool     // also leave on images what cosign 1 and 2 read
	Recursive bool     // also sign every platform of an image
	Keyed     bool     // Open returns a key
	Inputs    []string // files that are read for this run, and are not overwritten

	Registry *lookup.Registry
	Store    *lookup.Store // nil: bundles are kept nowhere else
	Stdin    io.Reader

	// Open returns the credentials to sign with. It is called once all that can be checked
	// before has been checked, and may ask the user to log in.
	Open func(context.Context) (Credentials, error)

	Tell         func(Signed) error               // reports one signature; nil: reports none
	TellManifest func(SignedManifest) error       // reports the signature of SignManifest; nil: reports none
	Notice       func(format string, a ...any)    // tells the user something
	Remark       func(format string, args ...any) // tells the user something that machines don't need

	manifest bool // one signature for all subjects
}

// A Credentials is what signatures are made and verified with.
type Credentials struct {
	Verifier *verify.Verifier
	Services *client.Services
	Key      crypto.Signer // nil: a new one for each signature
	Token    Token         // who signs if Key is nil
}

// A Signed is a signature that was made.
type Signed struct {
	Name   string // of the subject, as it was given
	Bundle string // file or image manifest that has the bundle
	Result *verify.Result
}

// A SignedManifest is a signature of many subjects.
type SignedManifest struct {
	Bundle  string   // file that has the bundle
	Names   []string // of the subjects, as they were given
	Results []*verify.Result
}

// session is what the signatures of one run share.
type session struct {
	*Request
	Credentials
}

func (r *Request) session(ctx context.Context) (*session, error) {
	c, err := r.Open(ctx)
	return &session{r, c}, err
}

func (s *session) tell(name, bundle string, result *verify.Result) error {
	if s.Tell == nil {
		return nil
	}
	return s.Tell(Signed{name, bundle, result})
}
