package main

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/internal/keys"
	"github.com/hallmark-sign/hallmark/verify"
)

// verifyFlags are those of every verb that verifies.
type verifyFlags struct {
	trust            trustFlags
	identity, issuer string
	key              string
	bundle           string
	json, quiet      bool
}

func verifyCommand(env environment) *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify FILE...",
		Short: "Verify files against their bundles, without any network",
		Long: `Verifies each FILE against FILE.sigstore.json and the trusted root of an instance: that
--identity signed it, by the word of --issuer, while the certificate was valid, and that
the signature is in the transparency log. Nothing is fetched; both must match exactly.

FILE may be a digest, sha256:HEX, where only that is at hand, or - for standard input;
both need --bundle.`,
		Example: `  hallmark verify release.tar.gz --identity alice@example.com --issuer https://login.example.com
  hallmark verify --key key.pub --bundle release.bundle release.tar.gz
  hallmark verify sha256:9f86… --bundle b.json --identity … --issuer …`,
		Args: usageArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, files []string) error {
			if err := f.check(files); err != nil {
				return usageError(cmd, err)
			}
			return f.verify(cmd.Context(), env, files)
		},
	}
	f.trust.add(cmd, false)
	cmd.Flags().StringVar(&f.identity, "identity", "", "who must have signed: the email or URI in the certificate")
	cmd.Flags().StringVar(&f.issuer, "issuer", "", "`URL` of the OpenID issuer that must have vouched for --identity")
	cmd.Flags().StringVar(&f.key, "key", "", "public key `FILE` (PEM) that must have signed, instead of an identity")
	cmd.Flags().StringVar(&f.bundle, "bundle", "", "`FILE` with the bundle (default: the artifact's name with "+bundleSuffix+")")
	cmd.Flags().BoolVar(&f.json, "json", false, "print each verdict as JSON, one a line")
	cmd.Flags().BoolVar(&f.quiet, "quiet", false, "print refusals only")
	return cmd
}

func (f verifyFlags) check(files []string) error {
	switch {
	case f.bundle != "" && len(files) > 1:
		return errors.New("--bundle takes one FILE")
	case f.key != "" && (f.identity != "" || f.issuer != ""):
		return errors.New("--key and --identity exclude each other")
	case f.key == "" && (f.identity == "" || f.issuer == ""):
		return errors.New("who may have signed? give --identity and --issuer, or --key; 'hallmark inspect' tells what a bundle claims")
	}
	for _, file := range files {
		if f.bundle == "" && (file == "-" || strings.HasPrefix(file, "sha256:")) {
			return fmt.Errorf("%s needs --bundle", file)
		}
	}
	return nil
}

// verify gives a verdict on each file, and the worst as its own.
func (f verifyFlags) verify(ctx context.Context, env environment, files []string) error {
	verifier, policy, err := f.judge(env)
	if err != nil {
		return err
	}
	var failed failures
	for _, file := range files {
		result, err := f.verifyFile(ctx, env, verifier, policy, file)
		if err != nil {
			err = f.dress(env, file, err)
			failed = append(failed, err)
		}
		if err := f.tell(env, file, result, err); err != nil {
			return err
		}
	}
	return failed.orNil()
}

// judge is who verifies, and what they are to accept.
func (f verifyFlags) judge(env environment) (*verify.Verifier, verify.Policy, error) {
	root, err := f.trust.root(env)
	if err != nil {
		return nil, verify.Policy{}, err
	}
	verifier, err := verify.New(root)
	if err != nil {
		return nil, verify.Policy{}, err
	}
	policy, err := f.policy()
	return verifier, policy, err
}

func (f verifyFlags) policy() (verify.Policy, error) {
	if f.key == "" {
		return verify.Policy{Identities: []identity.Matcher{identity.Exactly(f.identity, f.issuer)}}, nil
	}
	raw, err := readFile(f.key, keys.MaxFile)
	if err != nil {
		return verify.Policy{}, err
	}
	key, err := keys.ParsePublic(raw)
	if err != nil {
		return verify.Policy{}, unreadable(f.key, err)
	}
	return verify.Policy{Keys: []crypto.PublicKey{key}}, nil
}

func (f verifyFlags) verifyFile(ctx context.Context, env environment, v *verify.Verifier, policy verify.Policy, file string) (*verify.Result, error) {
	b, err := readBundle(bundleFor(file, f.bundle))
	if err != nil {
		return nil, err
	}
	artifact, closer, err := openArtifact(ctx, env, file)
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	return v.Verify(b, artifact, policy)
}

func readBundle(path string) (*bundle.Bundle, error) {
	raw, err := readFile(path, bundle.MaxSize)
	if p := new(problem); errors.Is(err, fs.ErrNotExist) && errors.As(err, &p) {
		p.try = "--bundle FILE, if the bundle is elsewhere"
	}
	if err != nil {
		return nil, err
	}
	b, err := bundle.Parse(raw)
	if err != nil {
		return nil, &problem{exit: exitUsage, subject: path, code: "bundle-malformed", err: err}
	}
	return b, nil
}

// openArtifact gives what FILE names: a file, standard input, or a digest.
func openArtifact(ctx context.Context, env environment, file string) (verify.Artifact, io.Closer, error) {
	if file == "-" {
		return verify.FromReader(untilDone{ctx, env.stdin}), io.NopCloser(nil), nil
	}
	f, err := os.Open(file)
	if text, isDigest := strings.CutPrefix(file, "sha256:"); isDigest && errors.Is(err, os.ErrNotExist) {
		digest, err := hex.DecodeString(text)
		if err != nil || len(digest) != sha256.Size {
			return verify.Artifact{}, nil, unreadable(file, errors.New("want sha256: and 64 hexadecimal digits"))
		}
		return verify.FromDigest(crypto.SHA256, digest), io.NopCloser(nil), nil
	}
	if err != nil {
		return verify.Artifact{}, nil, unreadable(file, err)
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		f.Close()
		return verify.Artifact{}, nil, unreadable(file, errors.New("is a directory"))
	}
	return verify.FromReader(untilDone{ctx, f}), f, nil
}

// dress gives a refusal the file that it is about and a command to go on with.
func (f verifyFlags) dress(env environment, file string, err error) error {
	p := about(file, err)
	switch {
	case p.try != "":
	case p.code == string(verify.OtherInstance):
		p.try = env.command() + " trust add URL, of the instance that signed; or --instance, if it is in " + env.command() + " trust list"
	case p.exit == exitRefused:
		p.try = env.command() + " inspect " + bundleFor(file, f.bundle)
	}
	return p
}

// report is a verdict for machines.
type report struct {
	File      string       `json:"file"`
	Verdict   string       `json:"verdict"` // verified, refused, undecided, unreadable
	Bundle    string       `json:"bundle,omitempty"`
	Code      string       `json:"code,omitempty"`
	Reason    string       `json:"reason,omitempty"`
	Expected  string       `json:"expected,omitempty"`
	Found     string       `json:"found,omitempty"`
	Signer    *signer      `json:"signer,omitempty"`
	Digest    string       `json:"digest,omitempty"`
	Times     []signedTime `json:"times,omitempty"`
	Entries   []logged     `json:"logEntries,omitempty"`
	Predicate string       `json:"predicateType,omitempty"`
}

type signer struct {
	Subject     string `json:"subject,omitempty"`
	SubjectType string `json:"subjectType,omitempty"`
	Issuer      string `json:"issuer,omitempty"`
	Key         string `json:"key,omitempty"` // sha256: of the PKIX DER
}

type signedTime struct {
	Time   time.Time `json:"time"`
	Source string    `json:"source"`
}

type logged struct {
	Log   string `json:"log"`
	Index uint64 `json:"index"`
}

func reportOf(file string, r *verify.Result) report {
	out := report{File: file, Verdict: "verified", Digest: digestText(r.Hash, r.Digest), Signer: &signer{}}
	if r.Certificate == nil {
		out.Signer.Key = "sha256:" + keyFingerprint(r.Key)
	} else {
		out.Signer.Subject, out.Signer.SubjectType, out.Signer.Issuer = r.Identity.Subject.Value, r.Identity.Subject.Type.String(), r.Identity.Issuer
	}
	for _, t := range r.Times {
		out.Times = append(out.Times, signedTime{t.Time.UTC(), t.Source()})
	}
	for _, e := range r.Entries {
		out.Entries = append(out.Entries, logged{e.Log.BaseURL, e.LogIndex})
	}
	if r.Statement != nil {
		out.Predicate = r.Statement.PredicateType
	}
	return out
}

func failedReport(file string, err error) report {
	p := problemOf(err)
	verdict := map[int]string{exitRefused: "refused", exitUsage: "unreadable", exitUndecided: "undecided"}[p.exit]
	return report{File: file, Verdict: verdict, Code: p.code, Reason: p.err.Error(), Expected: p.expected, Found: p.found}
}

// tell prints the verdict on a file; refusals for people come at the end, from main.
func (f verifyFlags) tell(env environment, file string, r *verify.Result, failed error) error {
	switch {
	case f.quiet && failed == nil:
		return nil
	case f.json && failed != nil:
		return env.printJSON(failedReport(file, failed))
	case f.json:
		return env.printJSON(reportOf(file, r))
	case failed != nil:
		return nil
	}
	_, err := fmt.Fprint(env.stdout, verdictText(file, r))
	return err
}

// verdictText says who signed, when, and which log entry.
func verdictText(file string, r *verify.Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: verified\n", printable(file))
	fmt.Fprintf(&b, "  signed by  %s\n", who(r))
	for _, t := range r.Times {
		fmt.Fprintf(&b, "  at         %s, by %s\n", clock(t.Time), printable(t.Source()))
	}
	fmt.Fprintf(&b, "  logged as  %s\n", entryWords(r))
	if r.Statement != nil {
		fmt.Fprintf(&b, "  attests    %s\n", printable(r.Statement.PredicateType))
	}
	return b.String()
}

func entryWords(r *verify.Result) string {
	var words []string
	for _, e := range r.Entries {
		words = append(words, fmt.Sprintf("%d of %s", e.LogIndex, printable(e.Log.BaseURL)))
	}
	if len(words) == 0 {
		return "nothing"
	}
	return strings.Join(words, ", ")
}

func keyFingerprint(key crypto.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "unknown"
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}
