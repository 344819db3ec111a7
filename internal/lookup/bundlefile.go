// SPDX-License-Identifier: Apache-2.0

package lookup

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/oci"
	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/wire/dsse"
	"github.com/hallmark-sign/hallmark/wire/intoto"
)

// HoldsBundles reports whether a file has bundles in it, by its name or because it
// begins as JSON does and no archive of an image does.
func HoldsBundles(file string) bool {
	if strings.HasSuffix(file, find.Suffix) || strings.HasSuffix(file, find.LinesSuffix) {
		return true
	}
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	start := make([]byte, 512)
	n, _ := io.ReadFull(f, start)
	text := bytes.TrimSpace(bytes.TrimPrefix(start[:n], []byte("\ufeff")))
	return bytes.HasPrefix(text, []byte("{")) && !bytes.Contains(text, []byte("ustar"))
}

// Attachments returns the bundles of a file, which must all be about the image.
func Attachments(file string, image oci.Image) ([]oci.Attachment, error) {
	raw, err := find.ReadFile(file, bundle.MaxSize)
	if err != nil {
		return nil, err
	}
	var all []oci.Attachment
	for d := jsontext.NewDecoder(bytes.NewReader(raw)); ; {
		value, err := d.ReadValue()
		if errors.Is(err, io.EOF) && len(all) > 0 {
			return all, nil
		}
		var b *bundle.Bundle
		if err == nil {
			b, err = bundle.Parse(value)
		}
		if err != nil {
			return nil, UnreadableBundle(file, err)
		}
		predicateType, err := statementAbout(b, image)
		if err != nil {
			return nil, &fault.Problem{Exit: fault.ExitRefused, Subject: file, Code: "subject-mismatch", Err: err, Expected: image.Digest, Remedy: "inspect", Names: []string{file}}
		}
		all = append(all, oci.Attachment{Bundle: bytes.Clone(value), PredicateType: predicateType, Created: time.Now()})
	}
}

// statementAbout returns the predicate type of a bundle's statement about the image.
func statementAbout(b *bundle.Bundle, image oci.Image) (predicateType string, err error) {
	if b.Envelope == nil {
		return "", errors.New("a signature over bytes, not a statement that names the image")
	}
	s, err := intoto.Parse(b.Envelope.Payload)
	if err != nil {
		return "", err
	}
	if !s.HasSubject("sha256", image.Sum()) {
		return "", errors.New("a statement about something else")
	}
	return s.PredicateType, nil
}

// UnreadableBundle returns the error for a bundle that can't be parsed.
func UnreadableBundle(name string, err error) error {
	return &fault.Problem{Exit: fault.ExitUsage, Subject: name, Code: "bundle-malformed", Err: err}
}

// Content returns the type of a bundle's statement, and its predicate. A signature
// has no predicate.
func Content(b *bundle.Bundle) (kind string, predicate []byte) {
	if b.Envelope == nil || b.Envelope.PayloadType != dsse.PayloadTypeInToto {
		return policy.Signature, nil
	}
	s, err := intoto.Parse(b.Envelope.Payload)
	if err != nil || s.PredicateType == intoto.TypeSigned {
		return policy.Signature, nil
	}
	return s.PredicateType, s.Predicate
}
