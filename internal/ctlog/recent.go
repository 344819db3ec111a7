// SPDX-License-Identifier: Apache-2.0

package ctlog

import (
	"context"
	"crypto/x509"
	"fmt"
	"iter"
	"time"

	"github.com/hallmark-sign/hallmark/wire/sct"
)

// Recent returns the precertificates logged since a time, newest first. The
// iterator ends after the first error.
func (l *Log) Recent(ctx context.Context, since time.Time) iter.Seq2[*x509.Certificate, error] {
	return func(yield func(*x509.Certificate, error) bool) {
		for entry, err := range l.log.Latest(ctx) {
			var leaf sct.Leaf
			var cert *x509.Certificate
			if err == nil {
				leaf, _, err = sct.ParseLeaf(entry)
			}
			if err == nil && int64(leaf.Timestamp) < since.UnixMilli() {
				return
			}
			if err == nil {
				cert, err = x509.ParseCertificate(leaf.PreCertificate)
			}
			if err != nil {
				yield(nil, fmt.Errorf("reading recent precertificates: %w", err))
				return
			}
			if !yield(cert, nil) {
				return
			}
		}
	}
}
