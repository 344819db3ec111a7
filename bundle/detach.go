// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/hallmark-sign/hallmark/wire/protojson"
)

// Detach converts the bundle to separate files for older readers. It omits log entries,
// because that form can only hold one of Rekor v1 with a signed entry timestamp. Of several
// timestamps it keeps the first. Errors: ErrMalformed.
func (b *Bundle) Detach() (Detached, error) {
	d, err := b.detach()
	if err != nil {
		return Detached{}, fmt.Errorf("detaching signature: %w: %w", ErrMalformed, err)
	}
	return d, nil
}

func (b *Bundle) detach() (d Detached, err error) {
	switch {
	case b.Message != nil:
		d.Signature = base64.StdEncoding.AppendEncode(nil, b.Message.Signature)
	case b.Envelope != nil && len(b.Envelope.Signatures) == 1:
		if d.Signature, err = protojson.Marshal(envelopeMessage(b.Envelope, b.Envelope.Payload)); err != nil {
			return d, err
		}
	default:
		return d, errors.New("want a message signature or an envelope with one signature")
	}
	for i, der := range b.Certificates {
		block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
		if i == 0 {
			d.Certificate = block
		} else {
			d.Chain = append(d.Chain, block...)
		}
	}
	if len(b.Timestamps) > 0 {
		d.Timestamp, err = json.Marshal(keptTimestamp{b.Timestamps[0]})
	}
	return d, err
}
