// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/keys"
	"github.com/hallmark-sign/hallmark/trust"
)

// Open reads the instance whose configuration is at path, and its keys. The root's key may be
// absent. Errors: keys.ErrPassphrase.
func Open(path string, passphrase []byte) (*Instance, error) {
	c, err := config.Load(path)
	if err != nil {
		return nil, err
	}
	i := &Instance{Config: c}
	if err := i.readTrust(); err != nil {
		return nil, fmt.Errorf("opening instance: %w", err)
	}
	if len(i.Root.Logs) == 0 || i.Root.Logs[0].BaseURL != c.URL {
		return nil, fmt.Errorf("opening instance: the trusted root has no log at %s: url can't be changed once an instance is made", c.URL)
	}
	if !slices.ContainsFunc(i.Signing.Logs, func(s trust.Service) bool { return s.URL == i.log().BaseURL }) {
		return nil, fmt.Errorf("opening instance: clients are not told of the log at %s: a rotation was interrupted, do it again", i.log().BaseURL)
	}
	if err := i.readKeys(passphrase); err != nil {
		return nil, fmt.Errorf("opening instance: %w", err)
	}
	if err := i.addLoginKey(passphrase); err != nil {
		return nil, fmt.Errorf("opening instance: %w", err)
	}
	if i.CAChain, err = chainOf(i.Root.CertificateAuthorities, i.Keys.CA); err != nil {
		return nil, fmt.Errorf("opening instance: certificate authority: %w", err)
	}
	if i.TSAChain, err = chainOf(i.Root.TimestampAuthorities, i.Keys.TSA); err != nil {
		return nil, fmt.Errorf("opening instance: timestamp authority: %w", err)
	}
	for name, held := range map[string]struct {
		key  crypto.Signer
		logs []trust.Log
	}{"transparency log": {i.Keys.Rekor, i.Root.Logs[len(i.Root.Logs)-1:]}, "CT log": {i.Keys.CT, i.Root.CTLogs}} {
		if !anyLogHas(held.logs, held.key) {
			return nil, fmt.Errorf("opening instance: %s: the trusted root does not have its key", name)
		}
	}
	return i, nil
}

func (i *Instance) readTrust() error {
	m, err := trust.ReadMaterial(os.DirFS(i.Config.Path("trust")))
	if err != nil {
		return err
	}
	i.Root, i.Signing = m.Root, m.SigningConfig
	return nil
}

// readKeys decrypts all keys concurrently: each costs the passphrase's scrypt.
func (i *Instance) readKeys(passphrase []byte) error {
	n := len(i.Root.Logs) - 1
	to := map[string]*crypto.Signer{
		fileCA: &i.Keys.CA, fileTSA: &i.Keys.TSA, fileRekor(n): &i.Keys.Rekor, fileNote(n): &i.Keys.Note, fileCT: &i.Keys.CT, fileIssuer: &i.Keys.Issuer,
	}
	if _, err := os.Stat(i.Config.Path("keys", fileIssuerRSA)); err == nil {
		to[fileIssuerRSA] = &i.Keys.IssuerRSA // otherwise see addLoginKey
	}
	return together(to, func(name string, to *crypto.Signer) error {
		path := i.Config.Path("keys", name)
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := keys.CheckMode(path); err != nil {
			return err
		}
		if *to, err = keys.ParseEncrypted(raw, passphrase); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return nil
	})
}

// addLoginKey creates the login's RSA key for an instance from before 2026-12, which has none,
// once all other keys have been opened with the same passphrase.
func (i *Instance) addLoginKey(passphrase []byte) error {
	if i.Keys.IssuerRSA != nil {
		return nil
	}
	key, err := i.keep(fileIssuerRSA, kindIssuerRSA, Options{Passphrase: passphrase})
	if err != nil {
		return fmt.Errorf("key of the login for RS256: %w", err)
	}
	i.Keys.IssuerRSA = key
	return nil
}

func encryptAll(all map[string]crypto.Signer, marshal func(crypto.Signer) ([]byte, error)) (map[string][]byte, error) {
	var mu sync.Mutex
	out := map[string][]byte{}
	err := together(all, func(name string, key crypto.Signer) error {
		pem, err := marshal(key)
		mu.Lock()
		defer mu.Unlock()
		out[name] = pem
		return err
	})
	return out, err
}

// together calls f for every key concurrently.
func together[T any](all map[string]T, f func(name string, value T) error) error {
	var wg sync.WaitGroup
	errs := make(chan error, len(all))
	for name, value := range all {
		wg.Go(func() { errs <- f(name, value) })
	}
	wg.Wait()
	close(errs)
	var first error
	for err := range errs {
		if first == nil {
			first = err
		}
	}
	return first
}

// chainOf returns the chain of the authority that uses key.
func chainOf(authorities []trust.Authority, key crypto.Signer) ([]*x509.Certificate, error) {
	for _, a := range authorities {
		if samePublic(a.Chain[0].PublicKey, key.Public()) {
			return a.Chain, nil
		}
	}
	return nil, errors.New("the trusted root does not have its key")
}

func anyLogHas(logs []trust.Log, key crypto.Signer) bool {
	return slices.ContainsFunc(logs, func(l trust.Log) bool { return samePublic(l.Key, key.Public()) })
}

func samePublic(a, b crypto.PublicKey) bool {
	comparable, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && comparable.Equal(b)
}
