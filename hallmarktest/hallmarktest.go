// SPDX-License-Identifier: Apache-2.0

package hallmarktest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"embed"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/instance"
	"github.com/hallmark-sign/hallmark/internal/server"
	"github.com/hallmark-sign/hallmark/sign"
	"github.com/hallmark-sign/hallmark/trust"
)

// An Instance is a running instance.
type Instance struct {
	URL               string // base URL, and the issuer of its login
	TrustedRootFile   string // trusted_root.json
	SigningConfigFile string // signing_config.v0.2.json
	Root              *trust.Root
	SigningConfig     *trust.SigningConfig

	made   *instance.Instance
	logger *slog.Logger
	stop   func() // the server
}

// Options holds the settings of an instance to start.
type Options struct {
	Logger   *slog.Logger // the server's log; nil: none
	Evidence bool         // with an evidence store
	Witness  bool         // with a witness whose cosignature every entry requires

	// Configure changes the configuration, for hallmark's own tests; nil: as it is.
	Configure func(*config.Config)
}

// fixed has the RSA key of every instance's login: making one takes a quarter of a second.
// It is public.
//
//go:embed login-rsa.pem
var fixed embed.FS

func loginRSA(t testing.TB) crypto.Signer {
	t.Helper()
	raw, err := fixed.ReadFile("login-rsa.pem")
	if err != nil {
		t.Fatalf("hallmarktest: %v", err)
	}
	block, _ := pem.Decode(raw)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatalf("hallmarktest: %v", err)
	}
	return key.(*rsa.PrivateKey)
}

// New starts an instance, and stops it when the test ends.
func New(t testing.TB) *Instance {
	t.Helper()
	return Start(t, Options{})
}

// Start does the same as [New], with options.
func Start(t testing.TB, o Options) *Instance {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("hallmarktest: %v", err)
	}
	address := listener.Addr().String()
	made, _, err := instance.New(instance.Options{
		URL: "http://" + address, Listen: address, Organization: "hallmarktest", CAKey: "ecdsa-p256", Now: time.Now(), LoginRSA: loginRSA(t),
	})
	if err != nil {
		t.Fatalf("hallmarktest: %v", err)
	}
	made.Config.Dir = t.TempDir()
	made.Config.Evidence.Enabled = o.Evidence
	if o.Witness {
		made.Config.Witnesses = witnessOf(t, made, o.Logger)
	}
	if o.Configure != nil {
		o.Configure(made.Config)
	}
	if err := made.Config.Check(); err != nil {
		t.Fatalf("hallmarktest: %v", err)
	}
	if err := made.WriteTrust(made.Config.Dir); err != nil {
		t.Fatalf("hallmarktest: %v", err)
	}
	i := &Instance{
		URL:               made.Config.URL,
		TrustedRootFile:   filepath.Join(made.Config.Dir, "trust", trust.RootFile),
		SigningConfigFile: filepath.Join(made.Config.Dir, "trust", trust.SigningConfigFile),
		Root:              made.Root, SigningConfig: made.Signing,
		made: made, logger: o.Logger,
	}
	i.start(t, listener)
	return i
}

// start serves the instance until the test or stop ends it.
func (i *Instance) start(t testing.TB, l net.Listener) {
	t.Helper()
	s, err := server.New(server.Options{Instance: i.made, Logger: i.logger})
	if err != nil {
		t.Fatalf("hallmarktest: %v", err)
	}
	i.stop = serve(t, s.Serve, l)
}

// Rotate adds the next transparency log, at the same port under another host name,
// and restarts the instance. Root and SigningConfig change; URL and the files' names
// stay.
func (i *Instance) Rotate(t testing.TB, host string) {
	t.Helper()
	i.stop()
	address := strings.TrimPrefix(i.URL, "http://")
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		err = i.rotate(t.Context(), "http://"+net.JoinHostPort(host, port))
	}
	if err != nil {
		t.Fatalf("hallmarktest: rotating: %v", err)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatalf("hallmarktest: %v", err)
	}
	i.start(t, l)
}

func (i *Instance) rotate(ctx context.Context, base string) error {
	if err := i.made.CheckRotation(base); err != nil {
		return err
	}
	witnesses, err := instance.Witnesses(i.made.Config)
	if err != nil {
		return err
	}
	if err := i.made.FreezeLog(ctx, witnesses, i.logger); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(i.made.Config.Dir, "keys"), 0o700); err != nil {
		return err
	}
	rekor, note, err := i.made.NextKeys(instance.Options{Passphrase: []byte("of a test alone")})
	if err != nil {
		return err
	}
	if err := i.made.Rotate(base, rekor, note, time.Now()); err != nil {
		return err
	}
	return i.made.WriteTrust(i.made.Config.Dir)
}

// serve serves until the test or the returned function ends it.
func serve(t testing.TB, answer func(context.Context, net.Listener) error, l net.Listener) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- answer(ctx, l) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("hallmarktest: stopping: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// tokenLifetime is the lifetime of the built-in login's tokens.
const tokenLifetime = 10 * time.Minute

// Token returns an ID token for email, signed with the key of the instance's login.
// No login takes place.
func (i *Instance) Token(t testing.TB, email string) string {
	t.Helper()
	now := time.Now()
	return i.SignToken(t, map[string]any{
		"iss": i.URL, "aud": "sigstore", "sub": email, "email": email, "email_verified": true,
		"iat": now.Unix(), "exp": now.Add(tokenLifetime).Unix(),
	})
}

// Signer returns a signer with a new key that signs once as email: with a
// certificate, a timestamp and a log entry of the instance.
func (i *Instance) Signer(t testing.TB, email string) sign.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("making a key: %v", err)
	}
	services, err := client.Open(i.SigningConfig, time.Now(), client.NewHTTP(time.Minute, nil))
	if err != nil {
		t.Fatalf("choosing services: %v", err)
	}
	services.Fulcio.Token = i.Token(t, email)
	return services.Signer(key)
}

// Sign signs the content of r as email and returns the bundle, ready to verify with Root.
func (i *Instance) Sign(t testing.TB, email string, r io.Reader) *bundle.Bundle {
	t.Helper()
	b, err := i.Signer(t, email).Message(t.Context(), r)
	if err != nil {
		t.Fatalf("signing: %v", err)
	}
	return b
}

// SignToken signs any claims with the login's key, for tests of tokens that an instance
// refuses.
func (i *Instance) SignToken(t testing.TB, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatalf("hallmarktest: %v", err)
	}
	signed := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	signature, err := signES256(i.made.Keys.Issuer, signed)
	if err != nil {
		t.Fatalf("hallmarktest: %v", err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// signES256 returns R ‖ S, 32 bytes each (RFC 7518 §3.4).
func signES256(key crypto.Signer, text string) ([]byte, error) {
	digest := sha256.Sum256([]byte(text))
	der, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	return rawECDSA(der)
}

// rawECDSA converts ECDSA-Sig-Value (RFC 3279 §2.2.3) to R ‖ S.
func rawECDSA(der []byte) ([]byte, error) {
	var v struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &v); err != nil {
		return nil, err
	}
	raw := make([]byte, 64)
	v.R.FillBytes(raw[:32])
	v.S.FillBytes(raw[32:])
	return raw, nil
}
