// SPDX-License-Identifier: Apache-2.0

package witness

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	// Path is the path that requests are posted to, below the witness's submission
	// prefix.
	Path = "/add-checkpoint"

	// TypeSize is the content type of the response with the size of another
	// checkpoint.
	TypeSize = "text/x.tlog.size"

	// MaxRequest bounds a request, in bytes. A checkpoint with a hundred
	// signatures and a proof fit.
	MaxRequest = 512 << 10

	// maxProof bounds the hashes of a proof: "The client MUST NOT send more than
	// 63 consistency proof lines."
	maxProof = 63

	// maxSize bounds the text that ParseSize reads, in bytes: 20 digits and a
	// newline.
	maxSize = 21
)

// ErrMalformed is matched by every error of this package.
var ErrMalformed = errors.New("malformed witness request")

// A Request asks for a cosignature:
//
//	old 20852014
//	PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
//	jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
//
//	example.com/behind-the-sofa
//	20852163
//	CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//
//	— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+…
type Request struct {
	Old        uint64      // size of the checkpoint that the witness cosigned last; 0 if none
	Proof      []tlog.Hash // consistency proof from Old to the new checkpoint
	Checkpoint []byte      // signed note, not parsed; see package checkpoint
}

// ParseRequest parses a request. Errors match [ErrMalformed].
func ParseRequest(raw []byte) (Request, error) {
	r, err := parseRequest(raw)
	if err != nil {
		return Request{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return r, nil
}

func parseRequest(raw []byte) (Request, error) {
	if len(raw) > MaxRequest {
		return Request{}, fmt.Errorf("more than %d bytes", MaxRequest)
	}
	line, rest, ok := bytes.Cut(raw, []byte("\n"))
	digits, isOld := bytes.CutPrefix(line, []byte("old "))
	if !ok || !isOld {
		return Request{}, errors.New("the first line is not the old size")
	}
	var r Request
	var err error
	if r.Old, err = parseDecimal(digits); err != nil {
		return Request{}, err
	}
	for {
		if line, rest, ok = bytes.Cut(rest, []byte("\n")); !ok {
			return Request{}, errors.New("no empty line after the proof")
		}
		if len(line) == 0 {
			r.Checkpoint = rest
			return r, nil
		}
		if len(r.Proof) == maxProof {
			return Request{}, fmt.Errorf("more than %d proof lines", maxProof)
		}
		hash, err := base64.StdEncoding.Strict().DecodeString(string(line))
		if err != nil || len(hash) != tlog.HashSize || bytes.ContainsRune(line, '\r') {
			return Request{}, errors.New("a proof line is not the base64 of 32 bytes")
		}
		r.Proof = append(r.Proof, tlog.Hash(hash))
	}
}

// Marshal returns the request in the form that [ParseRequest] reads.
func (r Request) Marshal() ([]byte, error) {
	b := fmt.Appendf(nil, "old %d\n", r.Old)
	for _, h := range r.Proof {
		b = fmt.Appendf(b, "%s\n", h)
	}
	b = append(append(b, '\n'), r.Checkpoint...)
	if len(r.Proof) > maxProof || len(b) > MaxRequest {
		return nil, fmt.Errorf("%w: more than %d proof lines, or more than %d bytes", ErrMalformed, maxProof, MaxRequest)
	}
	return b, nil
}

// ParseSize parses the response of a witness that has cosigned another size:
// "the tree size of the latest cosigned checkpoint in decimal, followed by a
// newline". Errors match [ErrMalformed].
func ParseSize(raw []byte) (uint64, error) {
	digits, ok := bytes.CutSuffix(raw, []byte("\n"))
	if !ok || len(raw) > maxSize {
		return 0, fmt.Errorf("%w: not a line with a size", ErrMalformed)
	}
	size, err := parseDecimal(digits)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return size, nil
}

func parseDecimal(digits []byte) (uint64, error) {
	size, err := strconv.ParseUint(string(digits), 10, 63)
	if err != nil || strconv.FormatUint(size, 10) != string(digits) {
		return 0, fmt.Errorf("%.24q is not a size in decimal", digits)
	}
	return size, nil
}
