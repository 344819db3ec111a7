// SPDX-License-Identifier: Apache-2.0

package trusting

import (
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/lookup"
)

// EvidenceStore returns the evidence store at the given address, or nil if that is empty. It
// sends no request.
func (f Selection) EvidenceStore(env cli.Environment, address string, timeout time.Duration) (*lookup.Store, error) {
	if address == "" {
		return nil, nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, &fault.Problem{Exit: fault.ExitUsage, Subject: address, Code: "usage", Err: errors.New("not the address of an evidence store"), Remedy: "store-url"}
	}
	h, err := f.HTTP(env, timeout)
	if err != nil {
		return nil, err
	}
	return &lookup.Store{Client: client.Evidence{URL: strings.TrimRight(address, "/"), HTTP: h}}, nil
}
