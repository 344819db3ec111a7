// SPDX-License-Identifier: Apache-2.0

package attestations

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// MaxPage bounds the bundles of one response: "The number of results per page
// (max 100)".
const MaxPage = 100

// MaxBundle bounds a bundle that a store accepts, in bytes, and all bundles of
// one response together. A statement of 20 MiB fits. Larger bundles belong on
// images and disks.
const MaxBundle = 32 << 20

// Limits of one subject. A client reads up to these limits, so that a bundle can't be hidden
// behind others.
const (
	MaxBundles = 1000
	MaxBytes   = 2 * MaxBundle // of all bundles together
)

// NotFound is the message of a 404 from a store that has no bundle of the digest. It
// distinguishes a store from other servers: GitHub and others respond "Not Found" to any
// unknown path.
const NotFound = "no bundle of this digest is kept here"

// ErrMalformed is matched by the errors of all functions that parse.
var ErrMalformed = errors.New("malformed attestations message")

// digestBytes is the length of a SHA-256.
const digestBytes = 32

// ParseDigest parses "sha256:" and 64 lower-case hexadecimal digits, the only
// spelling of a digest that is allowed in a path.
func ParseDigest(text string) ([]byte, error) {
	digits, ok := strings.CutPrefix(text, "sha256:")
	digest, err := hex.DecodeString(digits)
	if !ok || err != nil || len(digest) != digestBytes || strings.ToLower(digits) != digits {
		return nil, fmt.Errorf("want sha256: and 64 lower-case hexadecimal digits: %w", ErrMalformed)
	}
	return digest, nil
}

// FormatDigest returns the form of digest that [ParseDigest] reads.
func FormatDigest(digest []byte) string { return "sha256:" + hex.EncodeToString(digest) }

// ParseRequest returns the bundle that the client wants stored. The bundle
// aliases body. Errors match [ErrMalformed].
func ParseRequest(body []byte) ([]byte, error) {
	var bundle []byte
	d := decoder(body)
	err := object(d, func(name string) (err error) {
		if name != "bundle" || bundle != nil {
			return fmt.Errorf("member %.60q is unknown or occurs twice", name)
		}
		bundle, err = objectIn(d, body)
		return err
	})
	if err == nil {
		err = end(d)
	}
	if err == nil && bundle == nil {
		err = errors.New("no bundle")
	}
	if err != nil {
		return nil, fmt.Errorf("parsing request: %w: %w", ErrMalformed, err)
	}
	return bundle, nil
}

// MarshalRequest returns the request to store a bundle, which must be JSON.
// [ParseRequest] reads it.
func MarshalRequest(bundle []byte) ([]byte, error) {
	return json.Marshal(struct {
		Bundle jsontext.Value `json:"bundle"`
	}{bundle}, jsontext.AllowDuplicateNames(true))
}

// ParsePage returns the bundles of a response in order. They alias body. Errors
// match [ErrMalformed].
func ParsePage(body []byte) ([][]byte, error) {
	var bundles [][]byte
	found := false
	d := decoder(body)
	err := object(d, func(name string) error {
		if name != "attestations" {
			return d.SkipValue()
		}
		if found {
			return errors.New("attestations occur twice")
		}
		found = true
		return array(d, func() error {
			bundle, err := attestation(d, body)
			bundles = append(bundles, bundle)
			return err
		})
	})
	if err == nil {
		err = end(d)
	}
	if err == nil && !found {
		err = errors.New("no attestations")
	}
	if err != nil {
		return nil, fmt.Errorf("parsing attestations: %w: %w", ErrMalformed, err)
	}
	return bundles, nil
}

// attestation returns the bundle of one attestation in a response. An
// attestation with a "bundle_url" instead of a bundle is refused: following the
// URL would let the store send its client elsewhere.
func attestation(d *jsontext.Decoder, body []byte) (bundle []byte, err error) {
	err = object(d, func(name string) (err error) {
		if name != "bundle" {
			return d.SkipValue()
		}
		if bundle != nil {
			return errors.New("an attestation with two bundles")
		}
		bundle, err = objectIn(d, body)
		return err
	})
	if err == nil && bundle == nil {
		err = errors.New("an attestation without a bundle")
	}
	return bundle, err
}

// The parts of a response around its bundles.
const (
	pageStart   = `{"attestations":[`
	bundleStart = `{"bundle":`
	bundleEnd   = `}`
	pageEnd     = `]}`
)

// WritePage writes the response that [ParsePage] reads. The bundles must be
// JSON. It returns the first error of w or of the bundles.
func WritePage(w io.Writer, bundles iter.Seq2[io.Reader, error]) error {
	before := pageStart + bundleStart
	for bundle, err := range bundles {
		if err != nil {
			return err
		}
		if _, err := io.WriteString(w, before); err != nil {
			return err
		}
		if _, err := io.Copy(w, bundle); err != nil {
			return err
		}
		before = bundleEnd + "," + bundleStart
	}
	if before == pageStart+bundleStart {
		_, err := io.WriteString(w, pageStart+pageEnd)
		return err
	}
	_, err := io.WriteString(w, bundleEnd+pageEnd)
	return err
}

// PageSize returns the number of bytes that [WritePage] writes for n bundles of
// size bytes together.
func PageSize(n int, size int64) int64 {
	commas := max(n-1, 0)
	return size + int64(len(pageStart)+len(pageEnd)+n*len(bundleStart+bundleEnd)+commas)
}

// MarshalProblem returns an error response in the form that package rpcstatus
// reads.
func MarshalProblem(status int, message string) []byte {
	body, err := json.Marshal(struct {
		Message string `json:"message"`
		Status  string `json:"status"`
	}{message, strconv.Itoa(status)}, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return []byte(`{"message":"internal error","status":"500"}`)
	}
	return body
}

// decoder returns a decoder that does not look for duplicate names, since it
// would have to remember every name of an untrusted object. The callers of
// object compare the names that matter; package bundle does so within a bundle.
func decoder(body []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true))
}

// object reads an object and calls member to read the value of each name.
func object(d *jsontext.Decoder, member func(name string) error) error {
	if err := open(d, '{'); err != nil {
		return err
	}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return err
		}
		if err := member(name.String()); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

// array reads an array of at most MaxPage elements.
func array(d *jsontext.Decoder, element func() error) error {
	if err := open(d, '['); err != nil {
		return err
	}
	for n := 0; d.PeekKind() != ']'; n++ {
		if n == MaxPage {
			return fmt.Errorf("more than %d attestations", MaxPage)
		}
		if err := element(); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

func open(d *jsontext.Decoder, kind jsontext.Kind) error {
	token, err := d.ReadToken()
	if err != nil {
		return err
	}
	if token.Kind() != kind {
		return fmt.Errorf("got %v, want %v", token.Kind(), kind)
	}
	return nil
}

// objectIn reads an object and returns it as a subslice of body.
func objectIn(d *jsontext.Decoder, body []byte) ([]byte, error) {
	value, err := d.ReadValue()
	if err != nil {
		return nil, err
	}
	if value.Kind() != '{' {
		return nil, errors.New("a bundle is not an object")
	}
	at := d.InputOffset()
	return body[at-int64(len(value)) : at : at], nil
}

func end(d *jsontext.Decoder) error {
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("trailing data")
	}
	return nil
}
