// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hallmark-sign/hallmark/wire/protojson"
	"github.com/hallmark-sign/hallmark/wire/rekor"
)

// A Detached is a signature in the form of cosign 1 and 2: the contents of several files. Only
// Signature is required.
type Detached struct {
	Signature   []byte // raw or in base64; or a DSSE envelope in JSON, raw or in base64
	Certificate []byte // PEM, or base64 of PEM, of a certificate or a public key
	Chain       []byte // PEM of the certificates above it, root last
	LogEntry    []byte // JSON, see rekor.ParseEntryV1
	Timestamp   []byte // RFC 3161 TimeStampResp in DER, or {"SignedRFC3161Timestamp":"MIIC…"}
}

// FromDetached returns the files as a bundle of v0.1, which is verified like any other.
// Without a certificate, the signature is by a public key. A public key in d is only a hint:
// verifiers must have the key already. Errors: ErrMalformed.
func FromDetached(d Detached) (*Bundle, error) {
	b, err := fromDetached(d)
	if err != nil {
		return nil, fmt.Errorf("reading detached signature: %w: %w", ErrMalformed, err)
	}
	return b, nil
}

func fromDetached(d Detached) (*Bundle, error) {
	if n := len(d.Signature) + len(d.Certificate) + len(d.Chain) + len(d.LogEntry) + len(d.Timestamp); n > MaxSize {
		return nil, fmt.Errorf("%d bytes, want at most %d", n, MaxSize)
	}
	b := &Bundle{Version: V01}
	for _, part := range []struct {
		name string
		read func([]byte) error
		raw  []byte
	}{
		{"signature", b.readSignature, d.Signature}, {"certificate", b.readCertificate, d.Certificate}, {"chain", b.readChain, d.Chain},
		{"log entry", b.readLogEntry, d.LogEntry}, {"timestamp", b.readTimestamp, d.Timestamp},
	} {
		if len(part.raw) == 0 && part.name != "signature" {
			continue
		}
		if err := part.read(part.raw); err != nil {
			return nil, fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return b, nil
}

// readSignature detects the encoding from the bytes. A raw signature that happens to look
// like another encoding does not verify.
func (b *Bundle) readSignature(raw []byte) error {
	content := raw
	if decoded, err := decode(raw); err == nil {
		content = decoded
	}
	if len(content) == 0 {
		return errors.New("empty signature")
	}
	if content[0] != '{' || !utf8.Valid(content) {
		b.Message = &MessageSignature{Signature: content}
		return nil
	}
	payload, err := checkSize(content, payloadInEnvelope)
	if err != nil {
		return err
	}
	var m envelope
	if err := protojson.Unmarshal(payload.without(content), &m); err != nil {
		return err
	}
	if err := payload.into(&m, content); err != nil {
		return err
	}
	b.Envelope, err = m.read()
	return err
}

// decode decodes canonical base64, which a line ending may follow.
func decode(text []byte) ([]byte, error) {
	text = bytes.TrimRight(text, "\r\n")
	if bytes.ContainsAny(text, "\r\n") { // the decoder would skip them
		return nil, errors.New("base64 with line breaks")
	}
	return base64.StdEncoding.Strict().AppendDecode(nil, text)
}

func (b *Bundle) readCertificate(raw []byte) error {
	if decoded, err := decode(raw); err == nil {
		raw = decoded
	}
	blocks, err := readPEM(raw, 1)
	if err != nil {
		return err
	}
	if blocks[0].Type == "CERTIFICATE" {
		b.Certificates = [][]byte{blocks[0].Bytes}
		return b.checkChain()
	}
	if _, err := x509.ParsePKIXPublicKey(blocks[0].Bytes); err != nil {
		return err
	}
	sum := sha256.Sum256(blocks[0].Bytes)
	b.KeyHint = base64.StdEncoding.EncodeToString(sum[:]) // as cosign names keys in bundles
	return nil
}

func (b *Bundle) readChain(raw []byte) error {
	if len(b.Certificates) == 0 {
		return errors.New("chain without a certificate")
	}
	blocks, err := readPEM(raw, MaxCertificates-1)
	if err != nil {
		return err
	}
	for _, block := range blocks {
		if block.Type != "CERTIFICATE" {
			return fmt.Errorf("a PEM %.32q", block.Type)
		}
		b.Certificates = append(b.Certificates, block.Bytes)
	}
	return b.checkChain()
}

// readPEM reads at least one and at most most blocks, with only white space around them.
func readPEM(raw []byte, most int) ([]*pem.Block, error) {
	var blocks []*pem.Block
	for rest := bytes.TrimSpace(raw); len(rest) > 0; rest = bytes.TrimSpace(rest) {
		var block *pem.Block
		if !bytes.HasPrefix(rest, []byte("-----BEGIN ")) || len(blocks) == most {
			return nil, fmt.Errorf("not 1 to %d PEM blocks", most)
		}
		before := rest
		block, rest = pem.Decode(rest)
		// A broken block makes the decoder look for the next one.
		if block == nil || len(block.Headers) > 0 || bytes.Count(before[:len(before)-len(rest)], []byte("-----BEGIN ")) != 1 {
			return nil, errors.New("broken PEM block")
		}
		if !slices.Contains([]string{"CERTIFICATE", "PUBLIC KEY"}, block.Type) {
			return nil, fmt.Errorf("a PEM %.32q", block.Type)
		}
		blocks = append(blocks, block)
	}
	if len(blocks) == 0 {
		return nil, errors.New("no PEM block")
	}
	return blocks, nil
}

func (b *Bundle) readLogEntry(raw []byte) error {
	if _, err := checkSize(raw, nil); err != nil {
		return err
	}
	entry, err := rekor.ParseEntryV1(raw)
	if err != nil {
		return err
	}
	if len(entry.SignedEntryTimestamp) == 0 {
		return errors.New("no signed entry timestamp, which v0.1 requires")
	}
	b.Entries = append(b.Entries, entry)
	return nil
}

func (b *Bundle) readTimestamp(raw []byte) error {
	if raw[0] == '{' {
		if _, err := checkSize(raw, nil); err != nil {
			return err
		}
		var kept keptTimestamp
		if err := json.Unmarshal(raw, &kept, json.RejectUnknownMembers(true)); err != nil {
			return err
		}
		raw = kept.SignedRFC3161Timestamp
	}
	b.Timestamps = [][]byte{raw}
	return checkBlobs("timestamp", b.Timestamps, 1, 1)
}

// A keptTimestamp is a timestamp in the form of cosign 1 and 2.
type keptTimestamp struct{ SignedRFC3161Timestamp []byte }

// A legacy is the single-file bundle of cosign 1 and 2.
//
//	{"base64Signature":"MEUC…","cert":"LS0tLS1CRUdJTi…",
//	 "rekorBundle":{"SignedEntryTimestamp":"MEUC…","Payload":{"body":"eyJ…",…}}}
type legacy struct {
	Signature string         `json:"base64Signature"`
	Cert      string         `json:"cert"`
	Entry     jsontext.Value `json:"rekorBundle"`
}

// isLegacy reports whether raw is a bundle of cosign 1 or 2. It compares the first member
// with names that the specification's bundles don't have.
func isLegacy(raw []byte) bool {
	d := jsontext.NewDecoder(bytes.NewBuffer(raw))
	if open, err := d.ReadToken(); err != nil || open.Kind() != '{' {
		return false
	}
	name, err := d.ReadToken()
	return err == nil && name.Kind() == '"' && slices.Contains([]string{"base64Signature", "cert", "rekorBundle"}, name.String())
}

func parseLegacy(raw []byte) (*Bundle, error) {
	var l legacy
	if err := json.Unmarshal(raw, &l, json.RejectUnknownMembers(true)); err != nil {
		return nil, err
	}
	if _, err := decode([]byte(l.Signature)); err != nil {
		return nil, fmt.Errorf("signature: %w", err)
	}
	d := Detached{Signature: []byte(l.Signature), Certificate: []byte(l.Cert)}
	if l.Entry.Kind() != 'n' { // null: it was not logged
		d.LogEntry = l.Entry
	}
	return fromDetached(d)
}
