// SPDX-License-Identifier: Apache-2.0

package ownlog

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"github.com/hallmark-sign/hallmark/bundle"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/internal/instance"
	"github.com/hallmark-sign/hallmark/internal/tilelog/posix"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/sct"
)

// An observation is a size or checkpoint at which a log was seen.
type observation struct {
	name string // the source
	size uint64
	head *checkpoint.Checkpoint // verified; nil if only the size is known
}

// observation reads a size, a checkpoint or a bundle.
func (o *Logs) observation(given string, log Log) (observation, error) {
	if size, err := strconv.ParseUint(given, 10, 63); err == nil {
		return observation{name: "--seen", size: size}, nil
	}
	raw, err := find.ReadFile(given, bundle.MaxSize)
	if err != nil {
		return observation{}, err
	}
	s := observation{name: given}
	switch isBundle := bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")); {
	case !isBundle:
		s.head, err = seenCheckpoint(raw, log)
	case log.isCT:
		s.size, err = o.seenCertificate(raw, log)
	default:
		s.head, err = seenEntry(raw, log)
	}
	if err != nil {
		return observation{}, fault.Unreadable(given, err)
	}
	if s.head != nil {
		s.size = s.head.Size
	}
	return s, nil
}

func seenCheckpoint(raw []byte, log Log) (*checkpoint.Checkpoint, error) {
	c, _, err := log.Open(raw)
	return &c, err
}

// noted returns the checkpoints that the instance keeps of a log outside its
// directory. They may lag behind what others have seen.
func (o *Logs) noted(log Log) ([]observation, error) {
	var all []observation
	for _, path := range append([]string{posix.StartMarker(o.Config.Path(log.dir))}, instance.LogNotes(o.Config, log.dir, len(o.Root.Logs)-1)...) {
		raw, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && bytes.Count(raw, []byte("\n")) <= 1 {
			continue // earlier builds wrote only the origin
		}
		if err != nil {
			return nil, fault.Unreadable(path, err)
		}
		head, err := seenCheckpoint(raw, log)
		if err != nil {
			return nil, fault.Unreadable(path, err)
		}
		all = append(all, observation{path, head.Size, head})
	}
	return all, nil
}

// seenEntry returns the checkpoint in the log entry of a bundle.
func seenEntry(raw []byte, log Log) (*checkpoint.Checkpoint, error) {
	b, err := bundle.Parse(bytes.TrimSpace(raw))
	if err != nil {
		return nil, err
	}
	err = errors.New("the bundle has no checkpoint of a log")
	for _, entry := range b.Entries {
		if entry.Proof == nil || len(entry.Proof.Checkpoint) == 0 {
			continue
		}
		var c checkpoint.Checkpoint
		if c, _, err = log.Open(entry.Proof.Checkpoint); err == nil {
			return &c, nil
		}
	}
	return nil, err
}

// seenCertificate returns the least size that the CT log had when it promised to include the
// certificate of a bundle. The SCT names the certificate's index.
func (o *Logs) seenCertificate(raw []byte, log Log) (size uint64, err error) {
	b, err := bundle.Parse(bytes.TrimSpace(raw))
	if err != nil {
		return 0, err
	}
	if len(b.Certificates) == 0 {
		return 0, errors.New("the bundle has no certificate")
	}
	cert, err := x509.ParseCertificate(b.Certificates[0])
	if err != nil {
		return 0, err
	}
	stamps, err := sct.Embedded(cert)
	if err != nil {
		return 0, err
	}
	for _, stamp := range stamps {
		if !o.stamped(stamp, cert, log.key) {
			continue
		}
		if index, ok, err := sct.ParseLeafIndex(stamp.Extensions); ok && err == nil {
			size = max(size, index+1)
		}
	}
	if size == 0 {
		return 0, fmt.Errorf("the certificate has no SCT of %s", log.Origin)
	}
	return size, nil
}

// stamped reports whether an SCT is of the CT log, for this certificate.
func (o *Logs) stamped(stamp sct.SCT, cert *x509.Certificate, key crypto.PublicKey) bool {
	for _, authority := range o.Root.CertificateAuthorities {
		if stamp.Verify(cert, authority.Chain[0], key) == nil {
			return true
		}
	}
	return false
}
