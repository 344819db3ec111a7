package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/client/login"
	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/internal/verdict"
)

// clientID is what Sigstore clients call themselves, and the audience of tokens.
const clientID = "sigstore"

// loginTimeout is how long a person has to log in.
const loginTimeout = 5 * time.Minute

// tokenFlags say where an ID token comes from.
type tokenFlags struct {
	token        string // file or value
	issuer       string
	email        string
	passwordFile string
	device       bool

	roots *x509.CertPool // whose TLS certificate the issuer may have; nil: the system's
}

func (f *tokenFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.token, "identity-token", "", "ID token, as `FILE` or value (default: SIGSTORE_ID_TOKEN, then the CI's own, then a login)")
	f.addLogin(cmd)
}

func (f *tokenFlags) addLogin(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.issuer, "login-issuer", "", "OpenID issuer `URL` to log in at (default: the instance's)")
	cmd.Flags().StringVar(&f.email, "email", "", "account of the instance's own login to use without a browser")
	cmd.Flags().StringVar(&f.passwordFile, "password-file", "", "`FILE` with the password of --email (default: a prompt)")
	cmd.Flags().BoolVar(&f.device, "device", false, "log in with a code on another device, without opening a browser here")
}

func tokenCommand(env environment) *cobra.Command {
	var f tokenFlags
	var t trustFlags
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Print an ID token",
		Long: `Logs in and prints the ID token on stdout, for scripts and other clients. It is good for
minutes, and whoever has it can sign as you.

With --email and --password-file nobody has to be there.`,
		Example: `  hallmark token > token.txt
  hallmark token --email alice@example.com --password-file password.txt
  SIGSTORE_ID_TOKEN=$(hallmark token) cosign sign-blob ...`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if f.roots, err = t.authorities(env); err != nil {
				return err
			}
			issuer := f.issuer
			if issuer == "" {
				config, err := t.config(env)
				if err != nil {
					return err
				}
				services, err := client.Open(config, time.Now(), env.http(f.roots, time.Minute))
				if err != nil {
					return err
				}
				issuer = services.OIDC
			}
			token, err := f.login(cmd.Context(), env, issuer)
			if err != nil {
				return err
			}
			if env.json {
				return env.printJSON(map[string]string{"token": token})
			}
			if file, ok := env.stdout.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
				token += "\n" // which other clients take for part of it, in a file
			}
			_, err = io.WriteString(env.stdout, token)
			return err
		},
	}
	t.add(cmd, true)
	t.addCACert(cmd)
	f.addLogin(cmd)
	return cmd
}

// get finds a token: given, ambient, or by a login at issuer.
func (f tokenFlags) get(ctx context.Context, env environment, issuer string) (string, error) {
	if f.token != "" {
		return f.given()
	}
	if f.email == "" && !f.device {
		token, ok, err := login.Ambient(ctx, http.DefaultClient, env.getenv, clientID)
		if ok || err != nil {
			return token, err
		}
	}
	if f.issuer != "" {
		issuer = f.issuer
	}
	return f.login(ctx, env, issuer)
}

// claims are a token and what its holder needs to know of it.
type claims struct{ token, issuer, challenge string }

// is says whether a certificate names who the token names. What it calls a machine
// is made of several claims, of which a client knows the issuer alone.
func (c claims) is(id identity.Identity) bool {
	return id.Issuer == c.issuer && (id.Subject.Type != identity.Email || id.Subject.Value == c.challenge)
}

func (f tokenFlags) claims(ctx context.Context, env environment, issuer string) (claims, error) {
	token, err := f.get(ctx, env, issuer)
	if err != nil {
		return claims{}, err
	}
	c, err := login.ParseClaims(token)
	if err != nil {
		return claims{}, unreadable("ID token", err)
	}
	return claims{token, c.Issuer, c.Challenge}, nil
}

// given is the token of the flag: a value if it looks like one, else a file.
func (f tokenFlags) given() (string, error) {
	if strings.HasPrefix(f.token, "eyJ") && strings.Count(f.token, ".") == 2 {
		return f.token, nil
	}
	raw, err := readSecret(f.token)
	if err != nil {
		return "", err
	}
	return bareToken(f.token, string(raw))
}

// bareToken takes off what people copy along with a token: a byte order mark, quotes, the
// word Bearer. An answer of a token endpoint has several tokens, and is refused.
func bareToken(file, text string) (string, error) {
	text = strings.TrimSpace(strings.TrimPrefix(text, "\ufeff"))
	if strings.HasPrefix(text, "{") {
		return "", &problem{
			Exit: exitUsage, Subject: file, Code: "unreadable", Err: errors.New("it is JSON, not the token alone"), Try: "jq -r .id_token " + verdict.Quoted(file) + " | hallmark … --identity-token -",
		}
	}
	if scheme, token, ok := strings.Cut(text, " "); ok && strings.EqualFold(scheme, "Bearer") {
		text = strings.TrimSpace(token)
	}
	return strings.Trim(text, "\"'"), nil
}

// login asks somebody to log in, or logs in with a password.
func (f tokenFlags) login(ctx context.Context, env environment, issuer string) (string, error) {
	if issuer == "" {
		return "", &problem{Exit: exitUndecided, Code: "no-service", Err: errors.New("the signing config names no OpenID issuer to log in at"), Try: "--identity-token FILE"}
	}
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	o := login.Options{Issuer: issuer, ClientID: clientID, HTTP: &http.Client{Transport: transport(f.roots)}}
	if f.email != "" {
		password, err := env.secret(ctx, "password", f.passwordFile, "", "")
		if err != nil {
			return "", err
		}
		return login.Password(ctx, o, f.email, password)
	}
	if _, ok := env.terminal(); !ok && !f.device {
		return "", &problem{Exit: exitUndecided, Code: "no-token", Err: errors.New("there is no ID token, and no terminal for a login"), Try: "--identity-token FILE, or --email EMAIL --password-file FILE"}
	}
	if f.device || !hasBrowser(env) {
		return login.Device(ctx, o, env.stderr)
	}
	return login.Browser(ctx, o, openBrowser, env.stderr)
}

// transport is that of net/http, for services whose TLS certificates are of these authorities.
func transport(roots *x509.CertPool) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{RootCAs: roots}
	return t
}

// hasBrowser guesses whether a browser opened here would be seen.
func hasBrowser(env environment) bool {
	switch runtime.GOOS {
	case "darwin", "windows":
		return env.getenv("SSH_CONNECTION") == ""
	}
	return env.getenv("DISPLAY") != "" || env.getenv("WAYLAND_DISPLAY") != ""
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
