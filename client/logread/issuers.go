// SPDX-License-Identifier: Apache-2.0

package logread

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"github.com/hallmark-sign/hallmark/wire/sct"
	"github.com/hallmark-sign/hallmark/wire/tile"
)

// An issuer is a certificate that entries of a CT log refer to, read once.
type issuer struct {
	once sync.Once
	cert *x509.Certificate // nil if there is a finding
	err  error             // the certificate could not be read
}

func issuerPath(fingerprint [32]byte) string { return "issuer/" + hex.EncodeToString(fingerprint[:]) }

// entry checks what the tree does not: that an entry is valid for the log, and
// the parts of it that its leaf hash does not cover.
func (c *checker) entry(e Entry) error {
	if c.head.Format.level == tile.LevelEntries {
		if err := c.head.Format.parses(e.Raw); err != nil {
			c.find(c.bundlePath(e), Malformed, "%s: %v", leafName(e.Index), err)
		}
		return nil
	}
	leaf, _, err := sct.ParseLeaf(e.Raw)
	if err != nil {
		return err // it has been parsed before
	}
	var chain []*x509.Certificate
	for _, fingerprint := range leaf.Chain {
		cert, err := c.issuer(fingerprint, "named by "+leafName(e.Index)+" in "+c.bundlePath(e))
		if err != nil {
			return err
		}
		chain = append(chain, cert)
	}
	if err := submitted(leaf, chain); err != nil {
		c.find(c.bundlePath(e), Damaged, "%s: %v", leafName(e.Index), err)
	}
	return nil
}

func (c *checker) bundlePath(e Entry) string {
	n := e.Index / tile.Width
	return tile.Path(c.head.Format.level, n, position{0, n}.width(c.head.Size))
}

// submitted checks the submitted precertificate against the logged entry.
func submitted(leaf sct.Leaf, chain []*x509.Certificate) error {
	precert, err := x509.ParseCertificate(leaf.PreCertificate)
	if err != nil {
		return fmt.Errorf("its precertificate: %w", err)
	}
	tbs, err := sct.PrecertTBS(precert.RawTBSCertificate)
	if err != nil {
		return fmt.Errorf("its precertificate: %w", err)
	}
	if !bytes.Equal(tbs, leaf.Entry.TBS) {
		return errors.New("its precertificate does not match the entry")
	}
	if len(chain) == 0 {
		return errors.New("it names no issuer")
	}
	if chain[0] == nil {
		return nil // reported separately
	}
	if sha256.Sum256(chain[0].RawSubjectPublicKeyInfo) != leaf.Entry.IssuerKeyHash {
		return errors.New("it names another issuer")
	}
	if err := chain[0].CheckSignature(precert.SignatureAlgorithm, precert.RawTBSCertificate, precert.Signature); err != nil {
		return fmt.Errorf("its precertificate: %w", err)
	}
	return nil
}

// issuer reads an issuer's certificate, whose name is its SHA-256
// (static-ct-api, "Issuers"). why is the detail of the finding if it is
// missing.
func (c *checker) issuer(fingerprint [32]byte, why string) (*x509.Certificate, error) {
	c.mu.Lock()
	i := c.issuers[fingerprint]
	if i == nil {
		i = new(issuer)
		c.issuers[fingerprint] = i
	}
	c.mu.Unlock()
	i.once.Do(func() { i.cert, i.err = c.readIssuer(fingerprint, why) })
	return i.cert, i.err
}

func (c *checker) readIssuer(fingerprint [32]byte, why string) (*x509.Certificate, error) {
	path := issuerPath(fingerprint)
	raw, err := c.log.read(c.ctx, path, maxIssuer)
	if errors.Is(err, fs.ErrNotExist) {
		c.find(path, Missing, "%s", why)
		return nil, nil
	}
	if err == nil && sha256.Sum256(raw) != fingerprint {
		err = fmt.Errorf("%w: its SHA-256 does not match its name", ErrDamaged)
	}
	if err != nil {
		return nil, c.findErr(path, err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		c.find(path, Damaged, "%v", err)
	}
	return cert, nil
}

// storedIssuer checks a file of issuer/. Possibly no entry refers to it, since
// it is written before the entry is logged.
func (c *checker) storedIssuer(path string) error {
	name := strings.TrimPrefix(path, "issuer/")
	raw, err := hex.DecodeString(name)
	if err != nil || len(raw) != sha256.Size || hex.EncodeToString(raw) != name {
		c.find(path, Superfluous, "its name is not that of a certificate")
		return nil
	}
	_, err = c.issuer([32]byte(raw), "")
	return err
}
