// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// File is the name of the configuration in an instance's directory.
const File = "hallmark.yaml"

// maxFile is the longest configuration that is read, in bytes.
const maxFile = 1 << 20

// Config is hallmark.yaml:
//
//	url: https://sign.example.com
//	listen: 0.0.0.0:443
//	tls:
//	  certificate: tls/cert.pem
//	  key: tls/key.pem
//	issuers:
//	  - url: https://login.partner.example.com
//	    audience: sigstore
//	    type: uri
//	    subject_domain: https://partner.example.com
//	evidence:
//	  enabled: true
type Config struct {
	// URL is where clients reach the instance: scheme, host, and port if it is not
	// the scheme's own. It is the issuer of the built-in login and names both logs,
	// so it stays as it is for the life of the instance.
	URL string `yaml:"url"`

	// Listen is the address that serve listens on; --listen overrides it.
	Listen string `yaml:"listen"`

	// TLS has the server speak TLS. Without it, it speaks plain HTTP, which is
	// refused unless Listen and URL are loopback or PlainHTTPUnsafe is set.
	TLS *TLS `yaml:"tls,omitempty"`

	// PlainHTTPUnsafe allows plain HTTP on addresses that others can reach: for an
	// instance behind a proxy that speaks TLS. Tokens and passwords cross that
	// network in clear.
	PlainHTTPUnsafe bool `yaml:"plain_http_unsafe,omitempty"`

	// Login is the built-in OpenID provider.
	Login Login `yaml:"login"`

	// Issuers are the other OpenID issuers whose tokens the certificate authority
	// takes.
	Issuers []Issuer `yaml:"issuers,omitempty"`

	// Evidence is the store of bundles by the digest of what they are about.
	Evidence Evidence `yaml:"evidence,omitempty"`

	// Witnesses are asked to cosign the checkpoints of the transparency log. Without
	// them, a client that is shown one log and an auditor that is shown another do not
	// find out.
	Witnesses *Witnesses `yaml:"witnesses,omitempty"`

	// TrustedProxies are the addresses and networks of the proxies in front of the
	// instance: who asks is read from their X-Forwarded-For, and limited by that address.
	TrustedProxies []string `yaml:"trusted_proxies,omitempty"`

	// Limits bound what clients can use up.
	Limits Limits `yaml:"limits,omitempty"`

	// Source is the path of the file that was read; empty: none was.
	Source string `yaml:"-"`

	// Dir is the directory of the file, which relative paths start from.
	Dir string `yaml:"-"`
}

// TLS is a certificate chain and its key, PEM files.
type TLS struct {
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
}

// Login configures the built-in OpenID provider.
type Login struct {
	// Disabled turns it off: only tokens of Issuers are taken then.
	Disabled bool `yaml:"disabled,omitempty"`

	// Clients are programs that get ID tokens in another form, or under another name,
	// than sigstore, which is always known.
	Clients []LoginClient `yaml:"clients,omitempty"`
}

// LoginClient is a public client of the built-in OpenID provider.
type LoginClient struct {
	// ID is its client_id. Tokens are for it and for sigstore.
	ID string `yaml:"id"`

	// IDTokenSignedResponseAlg is RS256, which is the default, or ES256 (OpenID Connect
	// Dynamic Client Registration, section 2).
	IDTokenSignedResponseAlg string `yaml:"id_token_signed_response_alg,omitempty"`
}

// Evidence configures the evidence store, DIR/evidence.
type Evidence struct {
	// Enabled makes the instance store the bundles that are posted to it, and return them
	// to any client by digest.
	Enabled bool `yaml:"enabled"`

	// MaxBytes is how many bytes all bundles may take together; a signature's has
	// some five thousand. 10 GiB unless set.
	MaxBytes int64 `yaml:"max_bytes,omitempty"`
}

// Witnesses say who cosigns checkpoints.
type Witnesses struct {
	// Quorum is how many of Peers must cosign a checkpoint.
	Quorum int `yaml:"quorum"`

	// Required has signers wait until so many have, and refuses them with 503 while
	// they do not. Without it the log answers at once and readers see cosignatures a
	// little later.
	Required bool `yaml:"required"`

	// Demanded has the instance publish a log policy, trust/log_policy: clients that pin
	// it accept nothing of the log that these witnesses have not cosigned. It needs
	// Required, and a log that begins with it.
	Demanded bool `yaml:"demanded,omitempty"`

	// Peers are the witnesses.
	Peers []Peer `yaml:"peers"`
}

// Peer is a witness that speaks tlog-witness.
type Peer struct {
	// URL is its submission prefix, what comes before /add-checkpoint.
	URL string `yaml:"url"`

	// Key is its verifier key, as witnesses publish it: NAME+ID+KEY.
	Key string `yaml:"key"`
}

// defaultEvidence is Evidence.MaxBytes unless set.
const defaultEvidence = 10 << 30

// Load reads and checks the configuration at path.
func Load(path string) (*Config, error) {
	var c Config
	dir, err := load(path, &c)
	if err == nil {
		c.Source, c.Dir, err = path, dir, c.Check()
	}
	if err != nil {
		return nil, fmt.Errorf("loading configuration %s: %w", path, err)
	}
	return &c, nil
}

// load reads a file into the struct that it is made of, and gives its directory.
func load(path string, into any) (dir string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", err
	}
	if err := parse(raw, into); err != nil {
		return "", err
	}
	return filepath.Abs(filepath.Dir(path))
}

func parse(raw []byte, into any) error {
	if len(raw) > maxFile {
		return fmt.Errorf("more than %d bytes", maxFile)
	}
	if !utf8.Valid(raw) || bytes.IndexByte(raw, 0) >= 0 {
		return errors.New("not UTF-8")
	}
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return errors.New("more than one YAML document")
	}
	return nil
}

// Marshal writes the configuration as Load reads it.
func (c *Config) Marshal() ([]byte, error) { return yaml.Marshal(c) }

// Check returns an error for settings that can't work, or that are dangerous without
// an explicit opt-in. It fills in the audience of issuers and the size of the
// evidence store.
func (c *Config) Check() error {
	host, err := baseURL(c.URL)
	if err != nil {
		return fmt.Errorf("url: %w", err)
	}
	listenHost, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if c.TLS != nil && (c.TLS.Certificate == "" || c.TLS.Key == "") {
		return errors.New("tls: certificate and key are both needed")
	}
	plain := c.TLS == nil && !loopback(listenHost) || strings.HasPrefix(c.URL, "http:") && !loopback(host)
	if plain && !c.PlainHTTPUnsafe {
		return fmt.Errorf("plain HTTP at %s, listening on %s: set tls, or plain_http_unsafe: true if a proxy in front speaks TLS", c.URL, c.Listen)
	}
	for i := range c.Issuers {
		if err := c.Issuers[i].check(); err != nil {
			return fmt.Errorf("issuer %d: %w", i+1, err)
		}
		if c.Issuers[i].URL == c.URL && !c.Login.Disabled {
			return fmt.Errorf("issuer %d: %s is the built-in login, whose tokens are accepted anyway", i+1, c.URL)
		}
	}
	if c.Evidence.MaxBytes < 0 {
		return errors.New("evidence: max_bytes is negative")
	}
	if c.Evidence.Enabled && c.Evidence.MaxBytes == 0 {
		c.Evidence.MaxBytes = defaultEvidence
	}
	if _, err := c.Proxies(); err != nil {
		return err
	}
	if err := c.Limits.check(); err != nil {
		return fmt.Errorf("limits: %w", err)
	}
	if c.Witnesses != nil {
		if err := c.Witnesses.check(); err != nil {
			return fmt.Errorf("witnesses: %w", err)
		}
	}
	return nil
}

// baseURL checks that text is a scheme and a host, and gives the host's name.
func baseURL(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", err
	}
	if u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || text != u.Scheme+"://"+u.Host {
		return "", fmt.Errorf("%q is not a base URL: want https://HOST or http://HOST:PORT, without a path or a slash at its end", text)
	}
	return u.Hostname(), nil
}

// loopback: only names and addresses that cannot leave the machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Path returns a path of the configuration. A relative path starts at the directory
// of the configuration file.
func (c *Config) Path(elements ...string) string { return under(c.Dir, elements) }

func under(dir string, elements []string) string {
	path := filepath.Join(elements...)
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// LogName names the folder of an instance's n-th transparency log, from 0, and the
// files of its keys: rekor, rekor-2, ….
func LogName(n int) string {
	if n == 0 {
		return "rekor"
	}
	return fmt.Sprintf("rekor-%d", n+1)
}

// Hostname returns the host name in a URL, without port. Clients derive the origin
// of a transparency log from the log's base URL in this way.
func Hostname(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// Host returns the host name of the instance, with the port if the URL has one.
func (c *Config) Host() string {
	_, host, _ := strings.Cut(c.URL, "://")
	return host
}
