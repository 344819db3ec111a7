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

// MaxPage is how many bundles an answer has at most: "The number of results per
// page (max 100)".
const MaxPage = 100

// MaxBundle is how many bytes a bundle may have that is kept, and all bundles of an
// answer together: a statement of 20 MiB. Larger ones have their places on images
// and disks.
const MaxBundle = 32 << 20

// Limits of what one subject has: as much as whoever asks for it takes, so that
// nobody can bury a bundle under others.
const (
	MaxBundles = 1000
	MaxBytes   = 2 * MaxBundle // of all of them
)

// NotFound is the message of 404, which tells a store that has nothing from an
// address where there is no store: GitHub and others say "Not Found" of whatever
// they don't know.
const NotFound = "no bundle of this digest is kept here"

// ErrMalformed is the cause of every refusal of ParseRequest and ParsePage.
var ErrMalformed = errors.New("malformed attestations message")

// digestBytes is the length of a SHA-256.
const digestBytes = 32

// ParseDigest reads sha256: and 64 lower-case hexadecimal digits, the one spelling
// that a digest has in a path.
func ParseDigest(text string) ([]byte, error) {
	digits, ok := strings.CutPrefix(text, "sha256:")
	digest, err := hex.DecodeString(digits)
	if !ok || err != nil || len(digest) != digestBytes || strings.ToLower(digits) != digits {
		return nil, fmt.Errorf("want sha256: and 64 lower-case hexadecimal digits: %w", ErrMalformed)
	}
	return digest, nil
}

// FormatDigest writes what ParseDigest reads.
func FormatDigest(digest []byte) string { return "sha256:" + hex.EncodeToString(digest) }

// ParseRequest gives the bundle that is to be kept, a part of body. Errors:
// ErrMalformed.
func ParseRequest(body []byte) ([]byte, error) {
	var bundle []byte
	d := decoder(body)
	err := object(d, func(name string) (err error) {
		if name != "bundle" || bundle != nil {
			return fmt.Errorf("member %.60q is unknown or comes twice", name)
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

// MarshalRequest is the request that ParseRequest reads, for a bundle in JSON.
func MarshalRequest(bundle []byte) ([]byte, error) {
	return json.Marshal(struct {
		Bundle jsontext.Value `json:"bundle"`
	}{bundle}, jsontext.AllowDuplicateNames(true))
}

// ParsePage gives the bundles of an answer, parts of body, in its order. Errors:
// ErrMalformed.
func ParsePage(body []byte) ([][]byte, error) {
	var bundles [][]byte
	found := false
	d := decoder(body)
	err := object(d, func(name string) error {
		if name != "attestations" {
			return d.SkipValue()
		}
		if found {
			return errors.New("attestations come twice")
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

// attestation is one of the answer's. "bundle" may be missing there beside
// "bundle_url", which is not followed: evidence comes from where it was asked for.
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
		err = errors.New("an attestation without its bundle")
	}
	return bundle, err
}

// The answer around its bundles.
const (
	pageStart   = `{"attestations":[`
	bundleStart = `{"bundle":`
	bundleEnd   = `}`
	pageEnd     = `]}`
)

// WritePage writes the answer that ParsePage reads, of bundles in JSON. Errors: the
// writer's and the bundles'.
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

// PageSize is how many bytes WritePage writes for n bundles of size bytes together.
func PageSize(n int, size int64) int64 {
	commas := max(n-1, 0)
	return size + int64(len(pageStart)+len(pageEnd)+n*len(bundleStart+bundleEnd)+commas)
}

// MarshalProblem is an answer that is a refusal, as package rpcstatus reads it.
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

// decoder compares no names: a stranger's object of a million names would have it
// remember them all. object's callers compare those that matter; within a bundle,
// package bundle does.
func decoder(body []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true))
}

// object reads an object, and has member read the value of each name.
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
		return fmt.Errorf("%v where %v belongs", token.Kind(), kind)
	}
	return nil
}

// objectIn reads an object as the part of body that it is.
func objectIn(d *jsontext.Decoder, body []byte) ([]byte, error) {
	value, err := d.ReadValue()
	if err != nil {
		return nil, err
	}
	if value.Kind() != '{' {
		return nil, errors.New("a bundle that is no object")
	}
	at := d.InputOffset()
	return body[at-int64(len(value)) : at : at], nil
}

func end(d *jsontext.Decoder) error {
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("something follows")
	}
	return nil
}
