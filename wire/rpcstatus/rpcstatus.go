// SPDX-License-Identifier: Apache-2.0

package rpcstatus

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A Code is a code of google.rpc.Code.
type Code int

// The codes that hallmark uses.
const (
	InvalidArgument    Code = 3
	FailedPrecondition Code = 9
	PermissionDenied   Code = 7
	ResourceExhausted  Code = 8
	Unimplemented      Code = 12
	Internal           Code = 13
	Unavailable        Code = 14
	Unauthenticated    Code = 16
)

// MaxSize is the size of the largest body that [Parse] accepts, in bytes.
const MaxSize = 16 << 10

// A Status is an error response. Message is for people.
type Status struct {
	Code    Code
	Message string
}

type document struct {
	Code    Code           `json:"code"`
	Message string         `json:"message"`
	Details jsontext.Value `json:"details,omitzero"`
}

// Marshal returns the status in the form that [Parse] reads. Bytes of the
// message that are not UTF-8 are replaced.
func (s Status) Marshal() []byte {
	body, err := json.Marshal(document{s.Code, s.Message, jsontext.Value("[]")}, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return []byte(`{"code":13,"message":"internal error","details":[]}`)
	}
	return body
}

// Parse parses a status.
func Parse(body []byte) (Status, error) {
	if len(body) > MaxSize {
		return Status{}, fmt.Errorf("parsing status: more than %d bytes", MaxSize)
	}
	var d document
	if err := json.Unmarshal(body, &d); err != nil {
		return Status{}, fmt.Errorf("parsing status: %w", err)
	}
	if d.Message == "" {
		return Status{}, errors.New("parsing status: no message")
	}
	return Status{d.Code, d.Message}, nil
}
