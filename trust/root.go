// SPDX-License-Identifier: Apache-2.0

package trust

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"github.com/hallmark-sign/hallmark/wire/protojson"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// mediaTypeRoot is the trusted root's media type that every client accepts;
// Marshal writes it.
const mediaTypeRoot = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"

const mediaTypeRoot02 = "application/vnd.dev.sigstore.trustedroot.v0.2+json"

// MaxSize bounds the input of Parse and ParseSigningConfig, in bytes.
const MaxSize = 4 << 20

// ErrMalformed is matched by every error of Parse and ParseSigningConfig.
var ErrMalformed = errors.New("malformed trust material")

// A Root is a trusted root: the logs and authorities that a verifier trusts.
type Root struct {
	Logs                   []Log // transparency logs
	CTLogs                 []Log
	CertificateAuthorities []Authority
	TimestampAuthorities   []Authority
}

// A Log is a transparency log or a CT log.
type Log struct {
	BaseURL   string // its host name is the origin of a Rekor v2 log's checkpoints
	ID        []byte // SHA-256, 32 bytes; log entries and SCTs contain it
	Key       crypto.PublicKey
	Algorithm sigalg.Algorithm
	Validity  Validity
	Operator  string
}

// An Authority is a certificate authority or a timestamp authority.
type Authority struct {
	URI      string
	Chain    []*x509.Certificate // root last; a timestamp authority's own certificate may come first
	Validity Validity
	Operator string
}

// Parse reads a trusted root. Errors: ErrMalformed.
func Parse(raw []byte) (*Root, error) {
	root, err := parseRoot(raw)
	if err != nil {
		return nil, fmt.Errorf("parsing trusted root: %w: %w", ErrMalformed, err)
	}
	return root, nil
}

func parseRoot(raw []byte) (*Root, error) {
	if len(raw) > MaxSize {
		return nil, fmt.Errorf("%d bytes, want at most %d", len(raw), MaxSize)
	}
	var m rootMessage
	if err := protojson.Unmarshal(raw, &m); err != nil {
		return nil, err
	}
	if m.mediaType != mediaTypeRoot && m.mediaType != mediaTypeRoot02 {
		return nil, fmt.Errorf("media type %.100q", m.mediaType)
	}
	root := new(Root)
	for _, read := range []func() error{
		func() (err error) { root.Logs, err = each("log", m.tlogs, (*logMessage).read); return },
		func() (err error) { root.CTLogs, err = each("CT log", m.ctlogs, (*logMessage).read); return },
		func() (err error) {
			root.CertificateAuthorities, err = each("certificate authority", m.authorities, (*authorityMessage).read)
			return
		},
		func() (err error) {
			root.TimestampAuthorities, err = each("timestamp authority", m.timestamps, (*authorityMessage).read)
			return
		},
	} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	return root, nil
}

// each reads a list. Errors contain the index of the refused element.
func each[M, T any](what string, list []M, read func(*M) (T, error)) ([]T, error) {
	var out []T
	for i := range list {
		t, err := read(&list[i])
		if err != nil {
			return nil, fmt.Errorf("%s %d: %w", what, i, err)
		}
		out = append(out, t)
	}
	return out, nil
}

func (m *logMessage) read() (Log, error) {
	if name := m.hash().String(); name != "SHA2_256" {
		return Log{}, fmt.Errorf("hash algorithm %s, want SHA2_256", name)
	}
	if m.logID == nil {
		m.logID = new(logID)
	}
	if n := len(m.logID.keyID); n != 32 {
		return Log{}, fmt.Errorf("log ID of %d bytes, want 32", n)
	}
	if m.publicKey == nil {
		m.publicKey = new(publicKey)
	}
	key, algorithm, err := m.publicKey.read()
	if err != nil {
		return Log{}, fmt.Errorf("public key: %w", err)
	}
	validity, err := m.publicKey.validFor.read()
	if err != nil {
		return Log{}, err
	}
	return Log{
		BaseURL: string(m.baseURL), ID: m.logID.keyID, Key: key,
		Algorithm: algorithm, Validity: validity, Operator: string(m.operator),
	}, nil
}

// read reads the key in the form that its details name. Older trusted roots contain RSA log
// keys in the deprecated form PKCS1_RSA_PKCS1V5.
func (m *publicKey) read() (crypto.PublicKey, sigalg.Algorithm, error) {
	details := m.algorithm().String()
	if details == "PKCS1_RSA_PKCS1V5" {
		key, err := x509.ParsePKCS1PublicKey(m.raw)
		if err != nil {
			return nil, sigalg.Algorithm{}, err
		}
		algorithm, err := sigalg.ForKey(key)
		return key, algorithm, err
	}
	algorithm, err := sigalg.ByName(details)
	if err != nil {
		return nil, sigalg.Algorithm{}, err
	}
	key, err := x509.ParsePKIXPublicKey(m.raw)
	if err != nil {
		return nil, sigalg.Algorithm{}, err
	}
	return key, algorithm, algorithm.CheckKey(key)
}

func (m *authorityMessage) read() (Authority, error) {
	authority := Authority{URI: string(m.uri), Operator: string(m.operator)}
	if m.chain == nil {
		m.chain = new(chain)
	}
	for i, c := range m.chain.certificates {
		cert, err := x509.ParseCertificate(c.raw)
		if err != nil {
			return Authority{}, fmt.Errorf("certificate %d: %w", i, err)
		}
		authority.Chain = append(authority.Chain, cert)
	}
	if len(authority.Chain) == 0 {
		return Authority{}, errors.New("no certificates")
	}
	validity, err := m.validFor.read()
	authority.Validity = validity
	return authority, err
}

// Marshal writes the trusted root as JSON; Parse reads it back.
func (r *Root) Marshal() ([]byte, error) {
	m := &rootMessage{mediaType: mediaTypeRoot}
	for _, list := range []struct {
		logs []Log
		to   *[]logMessage
	}{{r.Logs, &m.tlogs}, {r.CTLogs, &m.ctlogs}} {
		for _, l := range list.logs {
			log, err := l.message()
			if err != nil {
				return nil, fmt.Errorf("marshalling trusted root: %w", err)
			}
			*list.to = append(*list.to, log)
		}
	}
	for _, a := range r.CertificateAuthorities {
		m.authorities = append(m.authorities, a.message())
	}
	for _, a := range r.TimestampAuthorities {
		m.timestamps = append(m.timestamps, a.message())
	}
	return protojson.MarshalIndent(m)
}

func (l Log) message() (logMessage, error) {
	der, err := x509.MarshalPKIXPublicKey(l.Key)
	if err != nil {
		return logMessage{}, fmt.Errorf("public key: %w", err)
	}
	return logMessage{
		baseURL:       protojson.String(l.BaseURL),
		hashAlgorithm: number(sigalg.HashAlgorithms(), "SHA2_256"),
		publicKey:     &publicKey{raw: der, details: number(sigalg.PublicKeyDetails(), l.Algorithm.Name), validFor: l.Validity.message()},
		logID:         &logID{l.ID},
		operator:      protojson.String(l.Operator),
	}, nil
}

// number returns the number of an enum's value, or 0 (unspecified) if no value has this
// name.
func number(names []string, name string) int32 { return int32(max(slices.Index(names, name), 0)) }

// message names the authority by its root's subject.
func (a Authority) message() authorityMessage {
	m := authorityMessage{
		uri: protojson.String(a.URI), validFor: a.Validity.message(), operator: protojson.String(a.Operator),
		chain: new(chain),
	}
	for _, c := range a.Chain {
		m.chain.certificates = append(m.chain.certificates, certificate{c.Raw})
	}
	subject := a.Chain[len(a.Chain)-1].Subject
	m.subject = &distinguishedName{commonName: protojson.String(subject.CommonName)}
	if len(subject.Organization) > 0 {
		m.subject.organization = protojson.String(subject.Organization[0])
	}
	return m
}
