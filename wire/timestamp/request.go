package timestamp

import (
	"crypto"
	"encoding/asn1"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// MaxRequest is the longest request that is parsed, in bytes.
const MaxRequest = 16 << 10

// Request asks for a timestamp of a hash (TimeStampReq, RFC 3161 §2.4.1).
type Request struct {
	Hash    crypto.Hash           // SHA256, SHA384 or SHA512
	Imprint []byte                // the hash of what is to be timestamped
	Policy  asn1.ObjectIdentifier // nil: any
	Nonce   *big.Int              // nil: none
	CertReq bool                  // the token is to hold the signing certificate
}

// ParseRequest parses a DER request. Its errors wrap the Failure to answer with.
func ParseRequest(der []byte) (Request, error) {
	if len(der) > MaxRequest {
		return Request{}, fmt.Errorf("parsing timestamp request: more than %d bytes: %w", MaxRequest, BadDataFormat)
	}
	r, err := parseRequest(der)
	if err != nil {
		return Request{}, fmt.Errorf("parsing timestamp request: %w", err)
	}
	return r, nil
}

func parseRequest(der cryptobyte.String) (r Request, err error) {
	var req cryptobyte.String
	var version int
	if !der.ReadASN1(&req, cbasn1.SEQUENCE) || !der.Empty() || !req.ReadASN1Integer(&version) {
		return Request{}, fmt.Errorf("not one DER SEQUENCE: %w", BadDataFormat)
	}
	if version != 1 {
		return Request{}, fmt.Errorf("version %d: %w", version, BadRequest)
	}
	var ok bool
	if r.Hash, r.Imprint, ok = readImprint(&req); !ok {
		return Request{}, fmt.Errorf("malformed message imprint: %w", BadDataFormat)
	}
	if err := r.check(); err != nil {
		return Request{}, err
	}
	if req.PeekASN1Tag(cbasn1.OBJECT_IDENTIFIER) && !readOID(&req, &r.Policy) {
		return Request{}, fmt.Errorf("malformed policy: %w", BadDataFormat)
	}
	if req.PeekASN1Tag(cbasn1.INTEGER) {
		if r.Nonce, ok = readInteger(&req); !ok {
			return Request{}, fmt.Errorf("malformed nonce: %w", BadDataFormat)
		}
	}
	if req.PeekASN1Tag(cbasn1.BOOLEAN) && !req.ReadASN1Boolean(&r.CertReq) {
		return Request{}, fmt.Errorf("malformed certReq: %w", BadDataFormat)
	}
	if req.PeekASN1Tag(tagRequestExtensions) {
		return Request{}, fmt.Errorf("extensions: %w", UnacceptedExtension)
	}
	if !req.Empty() {
		return Request{}, fmt.Errorf("trailing data: %w", BadDataFormat)
	}
	return r, nil
}

const tagRequestExtensions = cbasn1.Tag(0x80 | 0x20 | 0)

// check: "The length of the hash value … MUST match the length of the hash value
// for that algorithm".
func (r Request) check() error {
	switch r.Hash {
	case crypto.SHA256, crypto.SHA384, crypto.SHA512:
	default:
		return fmt.Errorf("hash algorithm is not SHA-256, SHA-384 or SHA-512: %w", BadAlg)
	}
	if len(r.Imprint) != r.Hash.Size() {
		return fmt.Errorf("imprint of %d bytes for %v: %w", len(r.Imprint), r.Hash, BadDataFormat)
	}
	return nil
}

// Marshal is the DER that ParseRequest reads.
func (r Request) Marshal() ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("marshalling timestamp request: %w", err)
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		addImprint(b, r.Hash, r.Imprint)
		if r.Policy != nil {
			b.AddASN1ObjectIdentifier(r.Policy)
		}
		if r.Nonce != nil {
			b.AddASN1BigInt(r.Nonce)
		}
		if r.CertReq { // DEFAULT FALSE
			b.AddASN1Boolean(true)
		}
	})
	return b.Bytes()
}

// jsonRequest is the form that Sigstore's timestamp authority takes besides DER.
type jsonRequest struct {
	ArtifactHash  []byte         `json:"artifactHash"`
	HashAlgorithm string         `json:"hashAlgorithm"`
	Certificates  bool           `json:"certificates"`
	Nonce         jsontext.Value `json:"nonce"`
	TSAPolicyOID  string         `json:"tsaPolicyOID"`
}

// ParseRequestJSON parses
//
//	{"artifactHash":"…","hashAlgorithm":"sha256","certificates":true,"nonce":42,"tsaPolicyOID":"1.3.6.1.4.1.57264.2"}
//
// of which the last three may be absent. Its errors wrap the Failure to answer
// with.
func ParseRequestJSON(body []byte) (Request, error) {
	r, err := parseRequestJSON(body)
	if err != nil {
		return Request{}, fmt.Errorf("parsing timestamp request: %w", err)
	}
	return r, nil
}

func parseRequestJSON(body []byte) (Request, error) {
	if len(body) > MaxRequest {
		return Request{}, fmt.Errorf("more than %d bytes: %w", MaxRequest, BadDataFormat)
	}
	var j jsonRequest
	if err := json.Unmarshal(body, &j, json.RejectUnknownMembers(true)); err != nil {
		return Request{}, fmt.Errorf("%w: %w", BadDataFormat, err)
	}
	r := Request{Imprint: j.ArtifactHash, CertReq: j.Certificates}
	for _, h := range hashes {
		if h.name == j.HashAlgorithm {
			r.Hash = h.hash
		}
	}
	if err := r.check(); err != nil {
		return Request{}, err
	}
	var ok bool
	if len(j.Nonce) > 0 {
		if r.Nonce, ok = parseNonce(string(j.Nonce)); !ok {
			return Request{}, fmt.Errorf("nonce is not a whole number of up to %d digits: %w", maxNonceDigits, BadDataFormat)
		}
	}
	if j.TSAPolicyOID != "" {
		if r.Policy, ok = parseOID(j.TSAPolicyOID); !ok {
			return Request{}, fmt.Errorf("tsaPolicyOID is not an object identifier: %w", BadDataFormat)
		}
	}
	return r, nil
}

// maxNonceDigits fits maxInteger.
const maxNonceDigits = 140

func parseNonce(s string) (*big.Int, bool) {
	if len(s) > maxNonceDigits || strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' }) {
		return nil, false
	}
	return new(big.Int).SetString(s, 10)
}

// parseOID parses dotted decimal.
func parseOID(s string) (asn1.ObjectIdentifier, bool) {
	if len(s) > 2*maxOID {
		return nil, false
	}
	var oid asn1.ObjectIdentifier
	for arc := range strings.SplitSeq(s, ".") {
		n, err := strconv.ParseUint(arc, 10, 31)
		if err != nil || strconv.FormatUint(n, 10) != arc {
			return nil, false
		}
		oid = append(oid, int(n))
	}
	var b cryptobyte.Builder
	b.AddASN1ObjectIdentifier(oid) // knows which first arcs there are
	der, err := b.Bytes()
	return oid, err == nil && len(der) <= maxOID
}
