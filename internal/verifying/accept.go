// SPDX-License-Identifier: Apache-2.0

package verifying

import (
	"errors"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/policy/cel"
)

// An Acceptance describes who must have signed: by a policy file, by a key, or by an identity
// and its issuer.
type Acceptance struct {
	Policy   string // file
	Identity string // email or URI in the certificate
	Issuer   string // URL of the OpenID issuer that vouches for Identity
	Key      string // file with a public key
	Type     string // of statements, by name or URI; empty: any
}

// check wants exactly one way of saying who is accepted.
func (f Acceptance) check() error {
	byName := f.Identity != "" || f.Issuer != ""
	ways := 0
	for _, given := range []bool{byName, f.Key != "", f.Policy != ""} {
		if given {
			ways++
		}
	}
	switch {
	case f.Type != "" && f.Policy != "":
		return errors.New("--type is for the policy to say, with accepts")
	case ways > 1:
		return errors.New("--policy, --key and --identity exclude each other")
	case byName && f.Issuer == "":
		return errors.New("--issuer is missing: a name means nothing without who vouched for it")
	case byName && f.Identity == "":
		return errors.New("--identity is missing")
	case ways == 0:
		return &fault.Problem{Exit: fault.ExitUsage, Code: "usage", Remedy: "accept", Err: errors.New("who may have signed? give --identity and --issuer, --key, or --policy")}
	}
	return nil
}

// read returns the policy.
func (f Acceptance) read() (*policy.Policy, error) {
	p, err := f.readAny()
	if err != nil || f.Type == "" {
		return p, err
	}
	kind := f.Type
	if kind != policy.Signature {
		if kind, err = cli.PredicateType(kind); err != nil {
			return nil, &fault.Problem{Exit: fault.ExitUsage, Code: "usage", Err: err}
		}
	}
	return p.Accepting(kind)
}

func (f Acceptance) readAny() (*policy.Policy, error) {
	switch {
	case f.Policy != "":
		return readPolicy(f.Policy)
	case f.Key == "":
		return policy.ForIdentity(f.Identity, f.Issuer), nil
	}
	key, err := cli.ReadPublicKey(f.Key)
	if err != nil {
		return nil, err
	}
	return policy.ForKey(f.Key, key), nil
}

func readPolicy(file string) (*policy.Policy, error) {
	raw, err := find.ReadFile(file, policy.MaxFile)
	if err != nil {
		return nil, err
	}
	p, err := policy.Parse(raw, cel.Compile)
	if err != nil {
		return nil, &fault.Problem{Exit: fault.ExitUsage, Subject: file, Code: "policy-malformed", Err: err}
	}
	return p, nil
}
