// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/internal/keys"
)

// Terminal returns the file descriptor of stdin, and whether it is a terminal.
func (e Environment) Terminal() (fd int, ok bool) {
	f, isFile := e.Stdin.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	return int(f.Fd()), true
}

// Confirm asks a question that is answered with yes or no. Without a terminal the answer
// is no, with a hint.
func (e Environment) Confirm(ctx context.Context, question, hint string) error {
	declined := &fault.Problem{Exit: fault.ExitRefused, Code: "not-confirmed", Err: fmt.Errorf("the answer to %q was not yes", question), Names: []string{hint}}
	if _, ok := e.Terminal(); !ok {
		return declined
	}
	fmt.Fprintf(e.Stderr, "%s [y/N] ", question)
	answer, err := readLine(ctx, e.Stdin)
	if err != nil {
		return err
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return declined
	}
	return nil
}

// readLine reads a line, or ends when ctx does.
func readLine(ctx context.Context, r io.Reader) (string, error) {
	type result struct {
		line string
		err  error
	}
	read := make(chan result, 1)
	go func() {
		line, err := bufio.NewReader(r).ReadString('\n')
		read <- result{line, err}
	}()
	select {
	case got := <-read:
		if got.err != nil && got.line == "" {
			return "", got.err
		}
		return got.line, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// maxSecret is the longest passphrase, password or token file that is read.
const maxSecret = 64 << 10

// Secret reads a passphrase or password: from a file, from a variable of the
// Environment (empty name: none), or from a prompt. A new one, with a rule, is asked for
// twice.
func (e Environment) Secret(ctx context.Context, what, file, variable, rule string) ([]byte, error) {
	if file != "" && what == "passphrase" {
		if err := keys.CheckMode(file); errors.Is(err, keys.ErrExposed) {
			return nil, &fault.Problem{Exit: fault.ExitUsage, Subject: file, Code: "exposed-secret", Err: err}
		}
	}
	if file != "" {
		return ReadSecret(file)
	}
	if value := e.Getenv(variable); variable != "" && value != "" {
		return []byte(value), nil
	}
	fd, ok := e.Terminal()
	if !ok {
		return nil, &fault.Problem{Exit: fault.ExitUsage, Code: "no-" + what, Err: fmt.Errorf("no %s was given and there is no terminal to ask at", what), Names: []string{secretHint(what, variable)}}
	}
	if rule == "" {
		return e.prompt(ctx, fd, "Enter "+what+": ")
	}
	first, err := e.prompt(ctx, fd, "Enter a new "+what+" ("+rule+"): ")
	if err != nil {
		return nil, err
	}
	again, err := e.prompt(ctx, fd, "Enter it again: ")
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(first, again) {
		return nil, &fault.Problem{Exit: fault.ExitUsage, Code: what + "-mismatch", Err: errors.New("the two entries differ; run the command again")}
	}
	return first, nil
}

func secretHint(what, variable string) string {
	hint := fmt.Sprintf("--%s-file FILE", what)
	if variable != "" {
		hint += ", or set " + variable
	}
	return hint
}

// prompt reads a secret without echo. When ctx ends first, the terminal is as it
// was before.
func (e Environment) prompt(ctx context.Context, fd int, text string) ([]byte, error) {
	before, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	fmt.Fprint(e.Stderr, text)
	defer fmt.Fprintln(e.Stderr)
	type result struct {
		secret []byte
		err    error
	}
	read := make(chan result, 1)
	go func() {
		secret, err := term.ReadPassword(fd)
		read <- result{secret, err}
	}()
	select {
	case got := <-read:
		if got.err == nil && len(got.secret) == 0 {
			return nil, &fault.Problem{Exit: fault.ExitUsage, Code: "empty-secret", Err: errors.New("nothing was typed")}
		}
		return got.secret, got.err
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), term.Restore(fd, before))
	}
}

// ReadSecret reads a file of one line; the line's end does not count.
func ReadSecret(file string) ([]byte, error) {
	raw, err := find.ReadFile(file, maxSecret)
	if err != nil {
		return nil, err
	}
	secret := bytes.TrimRight(raw, "\r\n")
	if len(secret) == 0 {
		return nil, &fault.Problem{Exit: fault.ExitUsage, Subject: file, Code: "empty-secret", Err: errors.New("the file holds nothing")}
	}
	return secret, nil
}

// LoadKey reads a private key, and asks for its passphrase if it has one.
func LoadKey(ctx context.Context, env Environment, file, passphraseFile string) (crypto.Signer, error) {
	raw, err := find.ReadFile(file, keys.MaxFile)
	if err != nil {
		return nil, err
	}
	key, err := keys.Parse(raw, nil)
	if errors.Is(err, keys.ErrPassphrase) {
		passphrase, asked := env.Secret(ctx, "passphrase", passphraseFile, "HALLMARK_PASSPHRASE", "")
		if asked != nil {
			return nil, asked
		}
		if key, err = keys.Parse(raw, passphrase); errors.Is(err, keys.ErrPassphrase) {
			return nil, &fault.Problem{Exit: fault.ExitRefused, Subject: file, Code: "wrong-passphrase", Err: err}
		}
	}
	if err != nil {
		return nil, fault.Unreadable(file, err)
	}
	return key, nil
}
