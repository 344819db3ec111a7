// SPDX-License-Identifier: Apache-2.0

package rekor

import (
	"bytes"
	"encoding/base64"
)

// canonicalHashedRekord reads a hashedrekord 0.0.2 in the canonical JSON that logs write, in a
// single pass. Nearly every body is of this form. It returns false for a body that differs in
// any byte, which the parser of all kinds then reads. Both return the same for a body that
// both accept.
func canonicalHashedRekord(raw []byte) (Body, bool) {
	s := scanner{rest: raw, ok: true}
	s.skip(`{"apiVersion":"0.0.2","kind":"hashedrekord","spec":{"hashedRekordV002":{"data":{"algorithm":"`)
	data := jsonDigest{Algorithm: s.word()}
	s.skip(`","digest":"`)
	data.Digest = s.bytes()
	s.skip(`"},"signature":{"content":"`)
	content := s.bytes()
	s.skip(`","verifier":{"keyDetails":"`)
	verifier := Verifier{KeyDetails: s.word()}
	if key := []byte(`","publicKey":{"rawBytes":"`); bytes.HasPrefix(s.rest, key) {
		s.skip(string(key))
		verifier.PublicKey = s.bytes()
	} else {
		s.skip(`","x509Certificate":{"rawBytes":"`)
		verifier.Certificate = s.bytes()
	}
	s.skip(`"}}}}}}`)
	digest, err := data.digest()
	if !s.ok || err != nil || len(s.rest) > 0 || verifier.KeyDetails == "" {
		return Body{}, false
	}
	return Body{
		Kind: KindHashedRekord, Version: VersionHashedRekord, Data: digest,
		Signatures: []BodySignature{{Content: content, Verifier: verifier}},
	}, true
}

// A scanner reads JSON of a known form.
type scanner struct {
	rest []byte
	ok   bool // whether no error has occurred
}

func (s *scanner) skip(text string) {
	rest, ok := bytes.CutPrefix(s.rest, []byte(text))
	s.rest, s.ok = rest, s.ok && ok
}

// until returns the rest of a string, up to its quotation mark.
func (s *scanner) until() []byte {
	n := bytes.IndexByte(s.rest, '"')
	if n < 0 {
		s.ok = false
		return nil
	}
	text := s.rest[:n]
	s.rest = s.rest[n:]
	return text
}

// word reads a name of capitals, digits and underscores, which JSON never escapes.
func (s *scanner) word() string {
	text := s.until()
	for _, c := range text {
		s.ok = s.ok && (c == '_' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z')
	}
	return string(text)
}

// bytes reads base64 that is not empty and is canonical.
func (s *scanner) bytes() []byte {
	text := s.until()
	v := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Strict().Decode(v, text)
	s.ok = s.ok && err == nil && n > 0 && !bytes.ContainsAny(text, "\r\n") // which the decoder skips
	return v[:n]
}
