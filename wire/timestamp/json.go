// SPDX-License-Identifier: Apache-2.0

package timestamp

import (
	"crypto"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A jsonRequest is the TimestampRequest of sigstore/timestamp-authority.
type jsonRequest struct {
	ArtifactHash  []byte         `json:"artifactHash"`
	HashAlgorithm string         `json:"hashAlgorithm"`
	Certificates  bool           `json:"certificates"`
	Nonce         jsontext.Value `json:"nonce"`
	TSAPolicyOID  string         `json:"tsaPolicyOID"`
}

// ParseRequestJSON parses the request that sigstore-js sends:
//
//	{"artifactHash":"oM/HEnHW4n…","hashAlgorithm":"sha256",
//	  "certificates":true,"nonce":123,"tsaPolicyOID":"1.3.6.1.4.1.57264.2"}
//
// The last three members are optional. Errors are of type *[RequestError].
func ParseRequestJSON(body []byte) (Request, error) {
	if len(body) > maxMessage {
		return Request{}, refuse(errors.New("longer than 1 MiB"))
	}
	var j jsonRequest
	if err := json.Unmarshal(body, &j, json.RejectUnknownMembers(true)); err != nil {
		return Request{}, refuse(err)
	}
	r := Request{Imprint: j.ArtifactHash, CertReq: j.Certificates}
	var err error
	if r.Hash, err = digestByName(j.HashAlgorithm); err != nil {
		return Request{}, refuse(err)
	}
	if len(r.Imprint) != r.Hash.Size() {
		return Request{}, refuse(errors.New("artifactHash is not as long as hashAlgorithm's"))
	}
	if r.Nonce, err = parseNonce(j.Nonce); err != nil {
		return Request{}, refuse(err)
	}
	if r.Policy, err = parsePolicy(j.TSAPolicyOID); err != nil {
		return Request{}, refuse(err)
	}
	return r, nil
}

func digestByName(name string) (crypto.Hash, error) {
	for _, d := range digests {
		if d.json == name {
			return d.hash, nil
		}
	}
	return 0, errHash
}

// parseNonce parses a JSON integer without fraction or exponent.
func parseNonce(raw jsontext.Value) (*big.Int, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	// Two decimal digits hold more than six bits.
	n, ok := new(big.Int), len(raw) <= maxInteger/3
	if ok {
		n, ok = n.SetString(string(raw), 10)
	}
	if !ok || n.BitLen() > maxInteger {
		return nil, errors.New("nonce is not an integer of at most 256 bits")
	}
	return n, nil
}

// parsePolicy parses a dotted object identifier.
func parsePolicy(dotted string) (asn1.ObjectIdentifier, error) {
	if dotted == "" {
		return nil, nil
	}
	if len(dotted) > 2*maxOID {
		return nil, errors.New("tsaPolicyOID is too long")
	}
	var oid asn1.ObjectIdentifier
	for arc := range strings.SplitSeq(dotted, ".") {
		n, err := strconv.ParseUint(arc, 10, 31)
		if err != nil || strconv.FormatUint(n, 10) != arc {
			return nil, fmt.Errorf("tsaPolicyOID has the arc %q", arc)
		}
		oid = append(oid, int(n))
	}
	if len(oid) < 2 || oid[0] > 2 || oid[0] < 2 && oid[1] > 39 {
		return nil, errors.New("tsaPolicyOID is not an object identifier")
	}
	return oid, nil
}
