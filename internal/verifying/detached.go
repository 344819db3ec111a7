// SPDX-License-Identifier: Apache-2.0

package verifying

import (
	"errors"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
)

// Detached names the files of a signature in the form of cosign 1 and 2.
type Detached struct {
	Signature, Certificate, Chain, Entry, Timestamp string
}

func (f Detached) given() bool { return f != (Detached{}) }

func (f Detached) check(bundles []string) error {
	switch {
	case f.given() && len(bundles) > 0:
		return errors.New("--bundle and detached evidence exclude each other")
	case f.given() && f.Signature == "":
		return errors.New("--signature is missing")
	}
	return nil
}

// bundle returns the bundle of the files, or nil if none is given.
func (f Detached) bundle() (*bundle.Bundle, error) {
	if !f.given() {
		return nil, nil
	}
	var d bundle.Detached
	for _, part := range []struct {
		file string
		into *[]byte
	}{
		{f.Signature, &d.Signature}, {f.Certificate, &d.Certificate}, {f.Chain, &d.Chain}, {f.Entry, &d.LogEntry}, {f.Timestamp, &d.Timestamp},
	} {
		if part.file == "" {
			continue
		}
		var err error
		if *part.into, err = find.ReadFile(part.file, bundle.MaxSize); err != nil {
			return nil, err
		}
	}
	b, err := bundle.FromDetached(d)
	if err != nil {
		return nil, &fault.Problem{Exit: fault.ExitUsage, Subject: f.Signature, Code: "bundle-malformed", Err: err}
	}
	return b, nil
}
