package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/internal/keys"
	"github.com/hallmark-sign/hallmark/internal/lookup"
	"github.com/hallmark-sign/hallmark/internal/verdict"
	"github.com/hallmark-sign/hallmark/sign"
	"github.com/hallmark-sign/hallmark/verify"
)

// signFlags are those of every verb that signs.
type signFlags struct {
	trust          trustFlags
	token          tokenFlags
	key            string
	passphraseFile string
	bundle         string
	registry       registryFlags
	evidence       evidenceFlags
	beside         bool // add to the bundles that are there
	replace        bool // put the bundle in the place of others'
	manifest       bool // one statement about all
	compat         string
	timeout        time.Duration
}

func (f *signFlags) add(cmd *cobra.Command, env environment) {
	f.trust.add(cmd, true)
	f.trust.addCACert(cmd)
	f.token.add(cmd)
	cmd.Flags().StringVar(&f.key, "key", "", "private key `FILE` (PEM) to sign with, instead of a login")
	cmd.Flags().StringVar(&f.passphraseFile, "passphrase-file", "", "`FILE` with the passphrase of --key (default: HALLMARK_PASSPHRASE, then a prompt)")
	cmd.Flags().StringVar(&f.bundle, "bundle", "", "`FILE` to write the bundle to (default: the artifact's name with "+verdict.Suffix+")")
	f.registry.add(cmd)
	f.evidence.add(cmd, env, "to leave the bundle there as well")
	cmd.Flags().StringVar(&f.compat, "compat", "", "also leave on images what `cosign2` reads, without the log entry, which it has no place for")
	cmd.Flags().BoolVar(&f.beside, "add", false, "add a line to FILE"+verdict.LinesSuffix+", or to --bundle FILE.jsonl, beside the signatures that are there")
	cmd.Flags().BoolVar(&f.replace, "replace", false, "replace the bundle that is there, though somebody else has signed it")
	complete(cmd, "compat", "cosign2")
	cmd.MarkFlagsMutuallyExclusive("add", "replace")
	addTimeout(cmd, &f.timeout, time.Minute)
}

func signCommand(env environment) *cobra.Command {
	var f signFlags
	cmd := &cobra.Command{
		Use:   "sign SUBJECT...",
		Short: "Sign files and images with a login or a key, and log the signatures",
		Long: `Signs each FILE and writes FILE.sigstore.json: the signature, a certificate for who
signed, a timestamp and the log entry. The bundle is verified before it is written. Where
somebody else's bundle is there already, or a manifest, it stays, and ours becomes a line
of FILE.sigstore.jsonl, unless --replace is given. - is standard input, with --bundle.

REGISTRY/REPO@sha256:HEX and REGISTRY/REPO:TAG are images; a tag is resolved, shown,
and signed by digest. The bundle is put on the image in its registry, where cosign 3
finds it too. Credentials are those of docker and podman. A path that exists is a
file; file: and oci: say it outright.

With --manifest it is one signature for a whole release: one statement that names every
file, every file of a directory or a list of checksums, and every image, by path and
digest. The bundle is one file at or above all that it names: --bundle, else
release.sigstore.json in the directory that is named, or here. Links that lead out of the
directory are refused. 'hallmark verify DIR' finds it in DIR or above. A manifest may
name 10,000 subjects; cosign and sigstore-go read up to 1,024.

With --evidence URL the bundle is also left in the evidence store of an instance, where
'verify --evidence' finds it by the digest of what was signed. If that fails, the bundle
stays where it is, and the exit status is 3.

--compat cosign2 also leaves on images a signature in the form of cosign 1 and 2, which
has a certificate and a log entry of its own. Those read timestamp and identity, but no
entry of this log: cosign verify --insecure-ignore-tlog --use-signed-timestamps
--new-bundle-format=false --trusted-root FILE --certificate-identity …, or --key FILE.

Who signs: the ID token given with --identity-token or SIGSTORE_ID_TOKEN; in GitHub
Actions the workflow itself; else whoever logs in. With --key, the key.`,
		Example: `  hallmark sign release.tar.gz
  hallmark sign --identity-token token.txt a.zip b.zip
  hallmark sign registry.example.com/app:v1
  hallmark sign --manifest dist/ registry.example.com/app:v1   # dist/release.sigstore.json
  tar c dist | hallmark sign --bundle dist.tar.sigstore.json -
  hallmark sign --key key.pem --bundle release.bundle release.tar.gz`,
		Args: usageArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, files []string) error {
			if err := f.checkCompat(); err != nil {
				return usageError(cmd, err)
			}
			if f.manifest {
				return f.signManifest(cmd.Context(), env, files)
			}
			if f.bundle != "" && len(files) > 1 {
				return usageError(cmd, errors.New("--bundle takes one FILE, without --manifest"))
			}
			return f.sign(cmd.Context(), env, files)
		},
	}
	f.add(cmd, env)
	cmd.Flags().BoolVar(&f.manifest, "manifest", false, "sign one statement about all, in "+manifestName+verdict.Suffix+" or --bundle")
	cmd.MarkFlagsMutuallyExclusive("key", "identity-token", "email")
	return cmd
}

// sign signs files and images one after the other; the first failure ends it.
func (f signFlags) sign(ctx context.Context, env environment, args []string) error {
	registry, err := f.registry.registry(f.timeout)
	if err != nil {
		return err
	}
	subjects, err := f.subjects(ctx, env, registry, args)
	if err != nil {
		return err
	}
	if err := f.evidence.checkSigning(f.key, 1); err != nil {
		return err
	}
	if err := f.checkFiles(subjects); err != nil {
		return err
	}
	s, err := f.session(ctx, env)
	if err != nil {
		return err
	}
	s.registry = registry
	for _, one := range subjects {
		if err := s.signOne(ctx, one); err != nil {
			return about(one.name, err)
		}
	}
	return nil
}

func (s *session) signOne(ctx context.Context, one subject) error {
	if one.image == nil {
		return s.signFile(ctx, one, s.flags.target(one.name))
	}
	what, err := signed(imageSubject(*one.image))
	if err != nil {
		return err
	}
	return s.attest(ctx, []subject{one}, what)
}

// session is what the signatures of one run share.
type session struct {
	env      environment
	flags    signFlags
	verifier *verify.Verifier
	services *client.Services
	registry *lookup.Registry // nil: files alone
	store    *lookup.Store    // nil: bundles are kept nowhere else
	key      crypto.Signer    // nil: a new one for each signature
	identity claims           // who signs, when key is nil
	quiet    bool             // tell nobody what was signed
}

func (f signFlags) session(ctx context.Context, env environment) (*session, error) {
	root, err := f.trust.root(env)
	if err != nil {
		return nil, err
	}
	config, err := f.trust.config(env)
	if err != nil {
		return nil, err
	}
	s := &session{env: env, flags: f}
	if s.store, err = f.evidence.store(env, f.trust, f.timeout); err != nil {
		return nil, err
	}
	if s.verifier, err = verify.New(root); err != nil {
		return nil, err
	}
	h, err := f.trust.http(env, f.timeout)
	if err != nil {
		return nil, err
	}
	if s.services, err = client.Open(config, time.Now(), h); err != nil {
		return nil, err
	}
	if f.key != "" {
		s.key, err = loadKey(ctx, env, f.key, f.passphraseFile)
		return s, err
	}
	if f.token.roots, err = f.trust.authorities(env); err != nil {
		return nil, err
	}
	s.identity, err = f.token.claims(ctx, env, s.services.OIDC)
	return s, err
}

// loadKey reads a private key, and asks for its passphrase if it has one.
func loadKey(ctx context.Context, env environment, file, passphraseFile string) (crypto.Signer, error) {
	raw, err := readFile(file, keys.MaxFile)
	if err != nil {
		return nil, err
	}
	key, err := keys.Parse(raw, nil)
	if errors.Is(err, keys.ErrPassphrase) {
		passphrase, asked := env.secret(ctx, "passphrase", passphraseFile, "HALLMARK_PASSPHRASE", "")
		if asked != nil {
			return nil, asked
		}
		if key, err = keys.Parse(raw, passphrase); errors.Is(err, keys.ErrPassphrase) {
			return nil, &problem{Exit: exitRefused, Subject: file, Code: "wrong-passphrase", Err: err}
		}
	}
	if err != nil {
		return nil, unreadable(file, err)
	}
	return key, nil
}

// signFile signs one file, verifies the bundle against the file, and writes it.
func (s *session) signFile(ctx context.Context, one subject, out string) error {
	artifact, err := one.open()
	if err != nil {
		return unreadable(one.name, err)
	}
	defer artifact.Close()
	signer, policy, err := s.signer()
	if err != nil {
		return err
	}
	b, err := signer.Message(ctx, verdict.UntilDone{Ctx: ctx, Reader: artifact})
	if err != nil {
		return err
	}
	again := verify.FromDigest(b.Message.Hash, b.Message.Digest) // of what can't be read again
	if file, ok := artifact.(*os.File); ok {
		if _, err := file.Seek(0, 0); err != nil {
			return err
		}
		again = verify.FromReader(verdict.UntilDone{Ctx: ctx, Reader: file})
	}
	return s.finish(ctx, b, again, policy, one.name, out)
}

// signer makes the key of one signature, and the policy that the bundle must meet.
func (s *session) signer() (sign.Signer, verify.Requirements, error) {
	signer := s.services.Signer(s.key)
	if s.key != nil {
		return signer, verify.Requirements{Keys: []crypto.PublicKey{s.key.Public()}}, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return signer, verify.Requirements{}, fmt.Errorf("making a key: %w", err)
	}
	signer.Key = key
	certifier := s.services.Fulcio
	certifier.Token, certifier.Challenge = s.identity.token, s.identity.challenge
	signer.Certifier = certifier
	return signer, verify.Requirements{AnyIdentityUnsafe: true}, nil
}

// finish verifies our own bundle, as anybody would, and writes it at once.
func (s *session) finish(ctx context.Context, b *bundle.Bundle, artifact verify.Artifact, policy verify.Requirements, file, out string) error {
	raw, result, err := s.check(b, artifact, policy)
	if err != nil {
		return err
	}
	out, err = s.write(out, raw)
	if err != nil {
		return err
	}
	if err := s.tell(file, out, result); err != nil {
		return err
	}
	return s.keep(ctx, out, raw, result)
}

func (s *session) tell(file, out string, r *verify.Result) error {
	if s.quiet {
		return nil
	}
	if s.env.json {
		report := verdict.Verdict{Target: verdict.Target{Name: file}, Results: []*verify.Result{r}}.Report()
		report.Bundle = out
		return s.env.printJSON(report)
	}
	s.env.say("%s: signed by %s, log entry %s", file, verdict.Who(r), verdict.EntryWords(r))
	s.env.say("  bundle    %s", out)
	return nil
}

// about names the file that an error is about, unless one is named already.
func about(file string, err error) *problem {
	p := *problemOf(err)
	if p.Subject == "" {
		p.Subject = file
	}
	return &p
}
