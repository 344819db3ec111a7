// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/asn1"
	"math/big"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/wire/timestamp"
)

const tsaMalformed = "request is not a valid time-stamp request"

// query returns a request for the SHA-256 of "hello", changed by change.
func query(t testing.TB, change func(r *timestamp.Request)) []byte {
	t.Helper()
	digest := sha256.Sum256([]byte("hello"))
	r := timestamp.Request{Hash: crypto.SHA256, Imprint: digest[:], Nonce: big.NewInt(77), CertReq: true}
	if change != nil {
		change(&r)
	}
	return testkit.Must(r.Marshal())(t)
}

// imprintQuery returns a request with version 1 and any imprint, and nothing else.
func imprintQuery(t testing.TB, hash asn1.ObjectIdentifier, imprint []byte) []byte {
	t.Helper()
	type algorithm struct{ OID asn1.ObjectIdentifier }
	return testkit.Must(asn1.Marshal(struct {
		Version int
		Imprint struct {
			Algorithm algorithm
			Digest    []byte
		}
	}{1, struct {
		Algorithm algorithm
		Digest    []byte
	}{algorithm{hash}, imprint}}))(t)
}

func TestTSARefusesDER(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	good := query(t, nil)
	sha256OID := asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	plain := query(t, func(r *timestamp.Request) { r.Nonce, r.CertReq = nil, false })
	with := func(der []byte, tail ...byte) []byte { // der is shorter than 128 bytes
		out := append(bytes.Clone(der), tail...)
		out[1] += byte(len(tail))
		return out
	}
	// BER: the length in two octets, and the indefinite one.
	long := append([]byte{0x30, 0x81}, good[1:]...)
	indefinite := append(append([]byte{0x30, 0x80}, good[2:]...), 0, 0)
	for name, try := range map[string]struct {
		body []byte
		fail timestamp.FailInfo
	}{
		"nothing":              {nil, timestamp.BadDataFormat},
		"JSON":                 {[]byte("{}"), timestamp.BadDataFormat},
		"cut off":              {good[:len(good)-1], timestamp.BadDataFormat},
		"trailing data":        {append(bytes.Clone(good), 0), timestamp.BadDataFormat},
		"trailing data inside": {with(good, 5, 0), timestamp.BadDataFormat},
		"BER length":           {long, timestamp.BadDataFormat},
		"BER indefinite":       {indefinite, timestamp.BadDataFormat},
		"length beyond":        {[]byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff}, timestamp.BadDataFormat},
		"certReq false":        {with(plain, 1, 1, 0), timestamp.BadDataFormat},
		"certReq BER true":     {with(plain, 1, 1, 1), timestamp.BadDataFormat},
		"nonce not minimal":    {with(plain, 2, 2, 0, 1), timestamp.BadDataFormat},
		"nonce empty":          {with(plain, 2, 0), timestamp.BadDataFormat},
		"nonce of 40 bytes":    {with(plain, append([]byte{2, 40, 1}, make([]byte, 39)...)...), timestamp.BadDataFormat},
		"version 2":            {bytes.Replace(good, []byte{2, 1, 1}, []byte{2, 1, 2}, 1), timestamp.BadDataFormat},
		"SHA-1":                {imprintQuery(t, asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}, make([]byte, 20)), timestamp.BadAlg},
		"MD5":                  {imprintQuery(t, asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 5}, make([]byte, 16)), timestamp.BadAlg},
		"SHA-224":              {imprintQuery(t, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 4}, make([]byte, 28)), timestamp.BadAlg},
		"imprint of 20":        {imprintQuery(t, sha256OID, make([]byte, 20)), timestamp.BadDataFormat},
		"imprint of 33":        {imprintQuery(t, sha256OID, make([]byte, 33)), timestamp.BadDataFormat},
		"imprint empty":        {imprintQuery(t, sha256OID, nil), timestamp.BadDataFormat},
		"many arcs":            {imprintQuery(t, manyArcs(7000), make([]byte, 32)), timestamp.BadDataFormat},
		"unknown policy":       {query(t, func(r *timestamp.Request) { r.Policy = asn1.ObjectIdentifier{1, 2, 3} }), timestamp.UnacceptedPolicy},
		"our policy's child":   {query(t, func(r *timestamp.Request) { r.Policy = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2, 1} }), timestamp.UnacceptedPolicy},
		"extensions":           {with(plain, 0xa0, 0), timestamp.UnacceptedExtension},
		"an extension":         {with(plain, 0xa0, 9, 0x30, 7, 6, 1, 0x2a, 4, 2, 5, 0), timestamp.UnacceptedExtension},
		"8 KiB of nesting":     {bytes.Repeat([]byte{0x30, 0x80}, 4<<10), timestamp.BadDataFormat},
	} {
		checkRejection(t, name, v.post(t, "/api/v1/timestamp", "application/timestamp-query", string(try.body)), 400, try.fail)
	}
	if a := v.post(t, "/api/v1/timestamp", "application/timestamp-query", string(good)); a.status != 201 {
		t.Errorf("a good request: %d %q", a.status, a.body)
	}
}

func TestTSARefusesJSON(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	digest := sha256.Sum256([]byte("hello"))
	hash := `"artifactHash":"` + b64(digest[:]) + `"`
	good := `{` + hash + `,"hashAlgorithm":"sha256","nonce":7}`
	for name, try := range map[string]struct{ body, message string }{
		"nothing":          {"", tsaMalformed},
		"DER":              {string(query(t, nil)), tsaMalformed},
		"array":            {"[]", tsaMalformed},
		"trailing data":    {good + "{}", tsaMalformed},
		"doubled member":   {strings.Replace(good, `{`, `{"nonce":8,`, 1), tsaMalformed},
		"unknown member":   {strings.Replace(good, `{`, `{"x":8,`, 1), tsaMalformed},
		"other case":       {strings.Replace(good, `"nonce"`, `"Nonce"`, 1), tsaMalformed},
		"deep":             {strings.Repeat(`{"nonce":`, 800), tsaMalformed},
		"nonce a string":   {strings.Replace(good, `7`, `"7"`, 1), tsaMalformed},
		"nonce a float":    {strings.Replace(good, `7}`, `7.0}`, 1), tsaMalformed},
		"nonce 1e9":        {strings.Replace(good, `7}`, `1e9}`, 1), tsaMalformed},
		"nonce of 2^256":   {strings.Replace(good, `7}`, new(big.Int).Lsh(big.NewInt(1), 256).String()+`}`, 1), tsaMalformed},
		"nonce of 7000":    {strings.Replace(good, `7}`, strings.Repeat("7", 7000)+`}`, 1), tsaMalformed},
		"imprint of 31":    {strings.Replace(good, b64(digest[:]), b64(digest[:31]), 1), tsaMalformed},
		"imprint in hex":   {strings.Replace(good, b64(digest[:]), strings.Repeat("ab", 32), 1), tsaMalformed},
		"policy no OID":    {strings.Replace(good, `{`, `{"tsaPolicyOID":"1.2.x",`, 1), tsaMalformed},
		"policy many arcs": {strings.Replace(good, `{`, `{"tsaPolicyOID":"1.2`+strings.Repeat(".1", 3000)+`",`, 1), tsaMalformed},
		"policy huge arc":  {strings.Replace(good, `{`, `{"tsaPolicyOID":"1.2.99999999999999999999",`, 1), tsaMalformed},
		"another policy":   {strings.Replace(good, `{`, `{"tsaPolicyOID":"1.2.3",`, 1), "policy is not this authority's"},
		"SHA-1":            {strings.Replace(good, "sha256", "sha1", 1), "hash algorithm must be SHA-256, SHA-384 or SHA-512"},
		"SHA-1's length":   {`{"artifactHash":"` + b64(digest[:20]) + `","hashAlgorithm":"sha1"}`, "hash algorithm must be SHA-256, SHA-384 or SHA-512"},
		"no algorithm":     {`{` + hash + `}`, "hash algorithm must be SHA-256, SHA-384 or SHA-512"},
	} {
		checkProblem(t, name, v.post(t, "/api/v1/timestamp", "application/json", try.body), 400, codeInvalid, try.message)
	}
	if a := v.post(t, "/api/v1/timestamp", "application/json", good); a.status != 201 {
		t.Errorf("a good request: %d %q", a.status, a.body)
	}
}
