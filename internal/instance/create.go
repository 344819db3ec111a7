// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hallmark-sign/hallmark/internal/ceremony"
	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/internal/keys"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// Validity of the authorities' certificates.
const (
	rootYears         = 20
	intermediateYears = 10
	timestampYears    = 10
)

// Options holds the settings of a new instance.
type Options struct {
	URL          string // base URL for clients, see config.Config
	Listen       string
	Organization string        // in the certificates' names
	CAKey        string        // kind of the intermediate's key, as keys.Generate; empty is ecdsa-p256
	Passphrase   []byte        // encrypts the keys
	LoginRSA     crypto.Signer // the login's RSA key, which takes long to make; nil: a new one
	Now          time.Time

	TLS config.TLS // zero: plain HTTP, where the configuration allows it

	// PlainHTTPUnsafe sets that key of the configuration.
	PlainHTTPUnsafe bool

	// CheapKeysUnsafe makes Create and NextKeys encrypt the keys with
	// [keys.MarshalEncryptedUnsafe], for tests. Each file contains its KDF parameters, so Open
	// needs no such option.
	CheapKeysUnsafe bool
}

// rootKey returns the kind of the root's key: as strong as the intermediate's, and
// ECDSA, which all clients accept under timestamps.
func (o Options) rootKey() string {
	if o.CAKey == "ecdsa-p384" || o.CAKey == "ecdsa-p521" {
		return o.CAKey
	}
	return "ecdsa-p256"
}

// An Instance holds the opened contents of an instance's directory.
type Instance struct {
	Config   *config.Config
	Keys     Keys
	CAChain  []*x509.Certificate
	TSAChain []*x509.Certificate
	Root     *trust.Root
	Signing  *trust.SigningConfig
}

// Files of an instance's keys, and the kinds that can't be chosen.
const (
	fileRoot   = "root-ca.pem"
	fileCA     = "intermediate-ca.pem"
	fileTSA    = "tsa.pem"
	fileCT     = "ct.pem"
	fileIssuer = "issuer.pem"

	fileIssuerRSA = "issuer-rsa.pem"
)

// kindIssuerRSA is the kind of a key whose signatures count for ten minutes.
const kindIssuerRSA = "rsa-2048"

// New creates an instance in memory: keys, certificates, trusted root and signing config. It
// also returns the root's key.
func New(o Options) (*Instance, crypto.Signer, error) {
	c := &config.Config{URL: o.URL, Listen: o.Listen, PlainHTTPUnsafe: o.PlainHTTPUnsafe}
	if o.TLS != (config.TLS{}) {
		c.TLS = &o.TLS
	}
	if err := c.Check(); err != nil {
		return nil, nil, fmt.Errorf("making instance: %w", err)
	}
	if o.CAKey == "" {
		o.CAKey = "ecdsa-p256"
	}
	i := &Instance{Config: c}
	var root crypto.Signer
	i.Keys.IssuerRSA = o.LoginRSA
	for _, k := range []struct {
		to   *crypto.Signer
		kind string
	}{
		{&root, o.rootKey()}, {&i.Keys.CA, o.CAKey}, {&i.Keys.TSA, "ecdsa-p256"},
		{&i.Keys.Rekor, "ecdsa-p256"}, {&i.Keys.Note, "ed25519"}, {&i.Keys.CT, "ecdsa-p256"}, {&i.Keys.Issuer, "ecdsa-p256"}, {&i.Keys.IssuerRSA, kindIssuerRSA},
	} {
		if *k.to != nil {
			continue
		}
		key, err := keys.Generate(k.kind)
		if err != nil {
			return nil, nil, fmt.Errorf("making instance: %w", err)
		}
		*k.to = key
	}
	// Certificates and timestamps have whole seconds.
	o.Now = o.Now.UTC().Truncate(time.Second)
	if err := i.certify(root, o); err != nil {
		return nil, nil, fmt.Errorf("making instance: %w", err)
	}
	if err := i.describe(o); err != nil {
		return nil, nil, fmt.Errorf("making instance: %w", err)
	}
	return i, root, nil
}

// certify issues the certificates of the root, the intermediate and the timestamp authority.
func (i *Instance) certify(rootKey crypto.Signer, o Options) error {
	root, err := ceremony.Root(rootKey, o.Organization, "Root CA", lasting(o.Now, rootYears))
	if err != nil {
		return err
	}
	intermediate, err := ceremony.Intermediate(root, rootKey, i.Keys.CA.Public(), "Intermediate CA", lasting(o.Now, intermediateYears))
	if err != nil {
		return err
	}
	tsa, err := ceremony.Timestamping(root, rootKey, i.Keys.TSA.Public(), "Timestamp Authority", lasting(o.Now, timestampYears))
	if err != nil {
		return err
	}
	i.CAChain = []*x509.Certificate{intermediate, root}
	i.TSAChain = []*x509.Certificate{tsa, root}
	return nil
}

func lasting(from time.Time, years int) trust.Validity {
	return trust.Validity{Start: from, End: from.AddDate(years, 0, 0)}
}

// describe builds the trusted root and the signing config for clients.
func (i *Instance) describe(o Options) error {
	since := trust.Validity{Start: o.Now}
	c := i.Config
	rekorID, err := checkpoint.LogID(config.Hostname(c.URL), i.Keys.Rekor.Public())
	if err != nil {
		return err
	}
	ctID, err := checkpoint.LegacyLogID(i.Keys.CT.Public())
	if err != nil {
		return err
	}
	p256, err := sigalg.ByName(sigalg.ECDSAP256SHA256)
	if err != nil {
		return err
	}
	i.Root = &trust.Root{
		Logs:                   []trust.Log{{BaseURL: c.URL, ID: rekorID, Key: i.Keys.Rekor.Public(), Algorithm: p256, Validity: since, Operator: o.Organization}},
		CTLogs:                 []trust.Log{{BaseURL: c.URL + "/ct", ID: ctID[:], Key: i.Keys.CT.Public(), Algorithm: p256, Validity: since, Operator: o.Organization}},
		CertificateAuthorities: []trust.Authority{{URI: c.URL, Chain: i.CAChain, Validity: since, Operator: o.Organization}},
		TimestampAuthorities:   []trust.Authority{{URI: c.URL + "/api/v1/timestamp", Chain: i.TSAChain, Validity: since, Operator: o.Organization}},
	}
	service := func(url string, version uint32) []trust.Service {
		return []trust.Service{{URL: url, APIVersion: version, Validity: since, Operator: o.Organization}}
	}
	i.Signing = &trust.SigningConfig{
		CertificateAuthorities: service(c.URL, 1),
		Issuers:                service(c.URL, 1),
		Logs:                   service(c.URL, 2),
		LogSelector:            trust.Selector{Mode: "ANY"},
		TimestampAuthorities:   service(c.URL+"/api/v1/timestamp", 1),
		TimestampSelector:      trust.Selector{Mode: "ANY"},
	}
	return nil
}

// Create creates an instance in dir, which must be missing or empty. Errors: fs.ErrExist.
func Create(dir string, o Options) (*Instance, error) {
	i, root, err := New(o)
	if err != nil {
		return nil, err
	}
	err = durable.CreateDir(dir, 0o755, func(dir string) error { return i.write(dir, root, o) })
	if err != nil {
		return nil, fmt.Errorf("making instance: %w", err)
	}
	i.Config.Dir, err = filepath.Abs(dir)
	return i, err
}

func (i *Instance) write(dir string, root crypto.Signer, o Options) error {
	if err := i.WriteTrust(dir); err != nil {
		return err
	}
	settings, err := i.Config.Marshal()
	if err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(dir, "keys"), 0o700); err != nil {
		return err
	}
	encrypted, err := encryptAll(i.files(root), o.encrypt)
	if err != nil {
		return err
	}
	var files durable.Batch
	for name, pem := range encrypted {
		if err := files.Write(filepath.Join(dir, "keys", name), pem, 0o600); err != nil {
			return err
		}
	}
	if err := files.Write(filepath.Join(dir, config.File), append([]byte(header), settings...), 0o644); err != nil {
		return err
	}
	return files.Sync()
}

// encrypt returns a key as PEM, encrypted with the passphrase.
func (o Options) encrypt(key crypto.Signer) ([]byte, error) {
	if o.CheapKeysUnsafe {
		return keys.MarshalEncryptedUnsafe(key, o.Passphrase)
	}
	return keys.MarshalEncrypted(key, o.Passphrase)
}

// WriteTrust writes the files for clients to dir/trust, one after the other. If a rotation is
// interrupted here, ResumeRotation writes the last file; while the trusted root is the old
// one, all are written again.
func (i *Instance) WriteTrust(dir string) error {
	trustedRoot, err := i.Root.Marshal()
	if err != nil {
		return err
	}
	signingConfig, err := i.Signing.Marshal()
	if err != nil {
		return err
	}
	logKey, err := i.logKey()
	if err != nil {
		return err
	}
	for _, file := range []struct {
		name string
		data []byte
	}{{trust.LogKeyFile, logKey}, {trust.RootFile, trustedRoot}, {trust.SigningConfigFile, signingConfig}} {
		if err := durable.WriteFile(filepath.Join(dir, "trust", file.name), file.data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// logKey returns the verifier key by which witnesses know the log.
func (i *Instance) logKey() ([]byte, error) {
	key, err := i.noteKey()
	return []byte(key.String() + "\n"), err
}

// header opens the configuration that Create writes.
const header = `# The configuration of a hallmark instance; docs/reference/configuration.md explains each key.
# url names the logs and the login: it can't be changed later.
`

// files returns the keys by the names of their files.
func (i *Instance) files(root crypto.Signer) map[string]crypto.Signer {
	return map[string]crypto.Signer{
		fileRoot: root, fileCA: i.Keys.CA, fileTSA: i.Keys.TSA, fileRekor(0): i.Keys.Rekor, fileNote(0): i.Keys.Note, fileCT: i.Keys.CT, fileIssuer: i.Keys.Issuer, fileIssuerRSA: i.Keys.IssuerRSA,
	}
}
