// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/client/idtoken"
	"github.com/hallmark-sign/hallmark/client/login"
	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/trusting"
)

// ClientID is the OAuth client ID of Sigstore clients, and the audience of tokens.
const ClientID = "sigstore"

// loginTimeout is the time that a person has to log in.
const loginTimeout = 5 * time.Minute

// A Login selects the source of an ID token.
type Login struct {
	Given        string // file with a token, or the token itself; empty: the CI's own, then a login
	Issuer       string // OpenID issuer to log in at; empty: the instance's
	Email        string // account to log in as with a password; empty: a browser
	PasswordFile string // with the password of Email; empty: ask for it
	Device       bool   // log in with a code on another device
}

// Print logs in at the instance that is selected and prints the ID token.
func (l Login) Print(ctx context.Context, env cli.Environment, at trusting.Selection) error {
	roots, err := at.Authorities(env)
	if err != nil {
		return err
	}
	issuer := ""
	if l.Issuer == "" {
		config, err := at.Config(env)
		if err != nil {
			return err
		}
		services, err := client.Open(config, time.Now(), env.HTTP(roots, time.Minute))
		if err != nil {
			return err
		}
		issuer = services.OIDC
	}
	token, err := l.login(ctx, env, issuer, roots)
	if err != nil {
		return err
	}
	if env.JSON {
		return env.PrintJSON(map[string]string{"token": token})
	}
	if file, ok := env.Stdout.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		token += "\n" // which other clients take for part of it, in a file
	}
	_, err = io.WriteString(env.Stdout, token)
	return err
}

// get finds a token: given, ambient, or by a login at issuer.
func (l Login) get(ctx context.Context, env cli.Environment, issuer string, roots *x509.CertPool) (string, error) {
	if l.Given != "" {
		return l.given()
	}
	if l.Email == "" && !l.Device {
		token, ok, err := login.Ambient(ctx, login.Environment{Getenv: env.Getenv}, ClientID)
		if ok || err != nil {
			return token, err
		}
	}
	return l.login(ctx, env, issuer, roots)
}

// A Token is an ID token with the claims that a client uses.
type Token struct {
	Raw       string // the token itself: secret while it lasts
	Issuer    string
	Challenge string // what a proof of possession signs
}

// is reports whether a certificate names who the token names. What it calls a machine
// is made of several claims, of which a client knows the issuer alone.
func (t Token) is(id identity.Identity) bool {
	return id.Issuer == t.Issuer && (id.Subject.Type != identity.Email || id.Subject.Value == t.Challenge)
}

// Token returns a token with its claims: the one given, that of the CI, or one of a login at
// issuer, whose TLS certificate is of one of roots (nil: of the system's).
func (l Login) Token(ctx context.Context, env cli.Environment, issuer string, roots *x509.CertPool) (Token, error) {
	token, err := l.get(ctx, env, issuer, roots)
	if err != nil {
		return Token{}, err
	}
	t, err := readToken(token)
	if err != nil {
		return Token{}, fault.Unreadable("ID token", fmt.Errorf("reading ID token: %w", err))
	}
	return t, nil
}

// readToken reads the claims of a token, unverified: the certificate authority verifies them.
func readToken(token string) (Token, error) {
	c, err := idtoken.Parse(token)
	if err != nil {
		return Token{}, err
	}
	challenge, err := c.Challenge()
	if err == nil && c.Issuer == "" {
		err = errors.New("no iss")
	}
	return Token{token, c.Issuer, challenge}, err
}

// given returns the token of the flag, which is a token or the name of a file.
func (l Login) given() (string, error) {
	if strings.HasPrefix(l.Given, "eyJ") && strings.Count(l.Given, ".") == 2 {
		return l.Given, nil
	}
	raw, err := cli.ReadSecret(l.Given)
	if err != nil {
		return "", err
	}
	return bareToken(l.Given, string(raw))
}

// bareToken takes off what people copy along with a token: a byte order mark, quotes, the
// word Bearer. An answer of a token endpoint has several tokens, and is refused.
func bareToken(file, text string) (string, error) {
	text = strings.TrimSpace(strings.TrimPrefix(text, "\ufeff"))
	if strings.HasPrefix(text, "{") {
		return "", &fault.Problem{
			Exit: fault.ExitUsage, Subject: file, Code: "unreadable", Err: errors.New("it is JSON, not the token alone"), Remedy: "token-response",
		}
	}
	if scheme, token, ok := strings.Cut(text, " "); ok && strings.EqualFold(scheme, "Bearer") {
		text = strings.TrimSpace(token)
	}
	return strings.Trim(text, "\"'"), nil
}

// login asks the user to log in, or logs in with a password.
func (l Login) login(ctx context.Context, env cli.Environment, issuer string, roots *x509.CertPool) (string, error) {
	if issuer = cmp.Or(l.Issuer, issuer); issuer == "" {
		return "", &fault.Problem{Exit: fault.ExitUndecided, Code: "no-service", Err: errors.New("the signing config names no OpenID issuer to log in at"), Remedy: "login"}
	}
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	o := login.Options{Issuer: issuer, ClientID: ClientID, HTTP: &http.Client{Transport: client.Transport(roots)}}
	if l.Email != "" {
		password, err := env.Secret(ctx, "password", l.PasswordFile, "", "")
		if err != nil {
			return "", err
		}
		return login.Password(ctx, o, l.Email, password)
	}
	if _, terminal := env.Terminal(); !terminal && !l.Device {
		return "", &fault.Problem{Exit: fault.ExitUndecided, Code: "no-token", Err: errors.New("there is no ID token, and no terminal for a login")}
	}
	if l.Device || !hasBrowser(env) {
		return login.Device(ctx, o, env.Stderr)
	}
	return login.Browser(ctx, o, openBrowser, env.Stderr)
}

// hasBrowser guesses whether a browser opened here would be seen.
func hasBrowser(env cli.Environment) bool {
	switch runtime.GOOS {
	case "darwin", "windows":
		return env.Getenv("SSH_CONNECTION") == ""
	}
	return env.Getenv("DISPLAY") != "" || env.Getenv("WAYLAND_DISPLAY") != ""
}

func openBrowser(url string) error {
	var cmd *exec.Cmd
	switch runtime.GOOS {
	case "darwin":
		cmd = exec.Command("open", url)
	case "windows":
		cmd = exec.Command("rundll32", "url.dll,FileProtocolHandler", url)
	default:
		cmd = exec.Command("xdg-open", url)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, nil, nil
	cmd.Env = os.Environ()
	return cmd.Start()
}
