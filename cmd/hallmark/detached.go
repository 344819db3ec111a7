// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
)

// detachedFlags name evidence that cosign 1 and 2 kept in files of their own.
type detachedFlags struct {
	signature, certificate, chain, entry, timestamp string
}

func (f *detachedFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.signature, "signature", "", "`FILE` with a detached signature, in place of a bundle")
	cmd.Flags().StringVar(&f.certificate, "certificate", "", "`FILE` with the certificate of --signature")
	cmd.Flags().StringVar(&f.chain, "certificate-chain", "", "`FILE` with the chain of --certificate")
	cmd.Flags().StringVar(&f.entry, "log-entry", "", "`FILE` with the Rekor entry of --signature")
	cmd.Flags().StringVar(&f.timestamp, "timestamp", "", "`FILE` with the RFC 3161 timestamp of --signature")
}

func (f detachedFlags) given() bool { return f != (detachedFlags{}) }

func (f detachedFlags) check(bundles []string) error {
	switch {
	case f.given() && len(bundles) > 0:
		return errors.New("--bundle and detached evidence exclude each other")
	case f.given() && f.signature == "":
		return errors.New("--signature is missing")
	}
	return nil
}

// bundle puts the files together; nil when none is given.
func (f detachedFlags) bundle() (*bundle.Bundle, error) {
	if !f.given() {
		return nil, nil
	}
	var d bundle.Detached
	for _, part := range []struct {
		file string
		into *[]byte
	}{
		{f.signature, &d.Signature}, {f.certificate, &d.Certificate}, {f.chain, &d.Chain}, {f.entry, &d.LogEntry}, {f.timestamp, &d.Timestamp},
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
		return nil, &fault.Problem{Exit: fault.ExitUsage, Subject: f.signature, Code: "bundle-malformed", Err: err}
	}
	return b, nil
}
