package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/internal/verdict"
	"github.com/hallmark-sign/hallmark/oci"
	"github.com/hallmark-sign/hallmark/verify"
	"github.com/hallmark-sign/hallmark/wire/dsse"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

// maxPredicate leaves room in a bundle for base64 and all else.
const maxPredicate = 100 << 20

// predicateType is what --type says: a name that cosign has too, or a URI.
func predicateType(text string) (string, error) {
	if uri, ok := intoto.PredicateType(text); ok {
		return uri, nil
	}
	if scheme, rest, ok := strings.Cut(text, ":"); !ok || scheme == "" || rest == "" {
		hint := ""
		if name := nearest(text, intoto.Names()); name != "" {
			hint = "; did you mean " + name + "?"
		}
		return "", fmt.Errorf("--type %q is none of %s%s", text, oneOf(append(intoto.Names(), "a URI")), hint)
	}
	return text, nil
}

// attestFlags are signFlags, and what is said.
type attestFlags struct {
	signFlags
	predicate, kind string
}

func attestCommand(env environment) *cobra.Command {
	var f attestFlags
	cmd := &cobra.Command{
		Use:   "attest SUBJECT... --predicate FILE --type TYPE",
		Short: "Say something about files and images, signed and logged",
		Long: `Signs an in-toto statement: that the predicate in FILE, JSON of the type given, is true
of every SUBJECT. It is one statement with one signature, however many there are.

The bundle becomes a line of SUBJECT.sigstore.jsonl, beside the signatures that may be
there; that of an image is put on the image, where cosign 3 finds it too. With --evidence
URL it is also left in the evidence store of an instance, with each SUBJECT's digest.`,
		Example: `  hallmark attest registry.example.com/app:v1 --predicate sbom.json --type spdx
  hallmark attest a.zip b.zip --predicate provenance.json --type slsaprovenance1
  hallmark verify a.zip --type slsaprovenance1 --identity … --issuer …`,
		Args: usageArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, err := predicateType(f.kind)
			if f.predicate == "" || f.kind == "" {
				err = errors.New("--predicate and --type are needed")
			}
			if err == nil {
				err = f.checkCompat()
			}
			if err != nil {
				return usageError(cmd, err)
			}
			f.kind = kind
			f.beside = f.beside || f.bundle == ""
			return f.attest(cmd.Context(), env, args)
		},
	}
	f.add(cmd, env)
	cmd.Flags().StringVar(&f.predicate, "predicate", "", "`FILE` with the predicate (JSON, at most 100 MiB)")
	cmd.Flags().StringVar(&f.kind, "type", "", "`TYPE` of the predicate: "+oneOf(append(intoto.Names(), "a URI")))
	complete(cmd, "type", intoto.Names()...)
	cmd.MarkFlagsMutuallyExclusive("key", "identity-token", "email")
	return cmd
}

// attest makes one statement about all subjects, and leaves it with each.
func (f attestFlags) attest(ctx context.Context, env environment, args []string) error {
	env.collectMore()
	predicate, err := readPredicate(f.predicate)
	if err != nil {
		return err
	}
	registry, err := f.registry.registry(f.timeout)
	if err != nil {
		return err
	}
	subjects, err := f.subjects(ctx, env, registry, args)
	if err != nil {
		return err
	}
	if err := f.evidence.checkSigning(f.key, len(subjects)); err != nil {
		return err
	}
	if err := f.checkFiles(subjects, f.predicate); err != nil {
		return err
	}
	named := make([]intoto.Subject, len(subjects))
	for i, one := range subjects {
		if named[i], err = one.named(ctx); err != nil {
			return err
		}
	}
	s, err := f.session(ctx, env)
	if err != nil {
		return err
	}
	s.registry = registry
	what, err := newStatement(f.kind, predicate, named)
	if err != nil {
		return err
	}
	return s.attest(ctx, subjects, what)
}

// readPredicate reads JSON that every reader reads alike.
func readPredicate(file string) ([]byte, error) {
	raw, err := readFile(file, maxPredicate)
	if err != nil {
		return nil, err
	}
	raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")) // which .NET writes, and no reader gets
	predicate := jsontext.Value(bytes.TrimSpace(raw))
	if !predicate.IsValid() || predicate.Kind() != '{' {
		return nil, unreadable(file, verdict.Encoding(raw, errors.New("it is not a JSON object")))
	}
	if s, err := intoto.Parse(predicate); err == nil {
		return nil, &problem{
			Exit: exitUsage, Subject: file, Code: "usage", Err: fmt.Errorf("it is a whole in-toto statement of type %s, not its predicate alone", s.PredicateType),
			Try: "jq .predicate " + verdict.Quoted(file) + " >predicate.json, and that with --type " + verdict.Quoted(s.PredicateType),
		}
	}
	return compact(predicate), nil
}

// compact takes the spaces out of JSON, in place: there may be a hundred megabytes.
func compact(valid []byte) []byte {
	out, inString := valid[:0], false
	for i := 0; i < len(valid); i++ {
		c := valid[i]
		switch {
		case c == '"':
			inString = !inString
		case inString && c == '\\': // what it escapes ends no string
			out = append(out, c)
			i++
			c = valid[i]
		case !inString && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			continue
		}
		out = append(out, c)
	}
	return out
}

// named is the subject in a statement.
func (s subject) named(ctx context.Context) (intoto.Subject, error) {
	if s.image != nil {
		return imageSubject(*s.image), nil
	}
	f, err := s.open()
	if err != nil {
		return intoto.Subject{}, unreadable(s.name, err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, verdict.UntilDone{Ctx: ctx, Reader: f}); err != nil {
		return intoto.Subject{}, about(s.name, err)
	}
	return intoto.Subject{Name: filepath.Base(s.name), Digest: map[string]string{"sha256": hex.EncodeToString(h.Sum(nil))}}, nil
}

// attest signs the statement once, and then leaves it with each subject.
func (s *session) attest(ctx context.Context, subjects []subject, what statement) error {
	raw, results, err := s.seal(ctx, what)
	if err != nil {
		return err
	}
	var failed failures
	for i, one := range subjects {
		if i > 0 && s.flags.bundle != "" {
			continue // one bundle for all of them, in the file that was named
		}
		if err := s.leave(ctx, one, raw, what.kind, results[i]); err != nil {
			failed = append(failed, about(one.name, err)) // the others have it nevertheless
		}
	}
	if err := s.keep(ctx, s.left(subjects[0]), raw, results...); err != nil {
		failed = append(failed, err)
	}
	return failed.orNil()
}

// left is the file with the bundle of a subject; empty for an image.
func (s *session) left(one subject) string {
	if one.image != nil {
		return ""
	}
	return s.flags.target(one.name)
}

// seal signs a statement and verifies the bundle, and gives what it proves of each
// subject.
func (s *session) seal(ctx context.Context, what statement) ([]byte, []*verify.Result, error) {
	signer, policy, err := s.signer()
	if err != nil {
		return nil, nil, err
	}
	b, err := signer.Envelope(ctx, dsse.PayloadTypeInToto, what.payload)
	if err != nil {
		return nil, nil, err
	}
	first, err := verdict.SubjectOf(intoto.Statement{Subject: what.subjects})
	if err != nil {
		return nil, nil, err
	}
	raw, result, err := s.check(b, first, policy)
	if err != nil {
		return nil, nil, err
	}
	results := make([]*verify.Result, len(what.subjects))
	for i, one := range what.subjects {
		digest, err := hex.DecodeString(one.Digest["sha256"])
		if err != nil || result.Statement.Subject[i].Digest["sha256"] != one.Digest["sha256"] {
			return nil, nil, errors.New("verifying the new bundle, which was not written: it names something else")
		}
		about := *result
		about.Hash, about.Digest = crypto.SHA256, digest
		results[i] = &about
	}
	return raw, results, nil
}

// leave leaves a bundle where whoever verifies the subject looks for it.
func (s *session) leave(ctx context.Context, one subject, raw []byte, predicateType string, r *verify.Result) error {
	if one.image == nil {
		out := s.left(one)
		written, err := s.write(out, raw)
		if err != nil {
			return unwritable(out, err)
		}
		out = written
		return s.tell(one.name, out, r)
	}
	manifest, err := s.hang(ctx, one, raw, predicateType)
	if err != nil {
		return err
	}
	return s.tell(one.name, manifest, r)
}

// hang puts a bundle on an image, and gives the manifest that holds it.
func (s *session) hang(ctx context.Context, one subject, raw []byte, predicateType string) (string, error) {
	manifest, err := s.registry.Client.Attach(ctx, *one.image, oci.Attachment{Bundle: raw, PredicateType: predicateType, Created: time.Now()})
	if err != nil {
		return "", keepAside(one, raw, err)
	}
	return one.image.Repository + "@" + manifest, s.leaveLegacy(ctx, one, raw, predicateType)
}
