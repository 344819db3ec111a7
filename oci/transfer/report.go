// SPDX-License-Identifier: Apache-2.0

package transfer

import "github.com/hallmark-sign/hallmark/oci"

// A Note is a remark about a digest or a tag.
type Note struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// A Report is the result of a transfer. The numbers count everything to be
// copied.
type Report struct {
	Digest      string `json:"digest"`           // digest of the image
	Tag         string `json:"tag,omitempty"`    // tag to set
	Complete    bool   `json:"complete"`         // whether the target was found to have everything
	Platforms   int    `json:"platforms"`        // manifests of the image other than indexes
	Manifests   int    `json:"manifests"`        // manifests, including attachments
	Attachments int    `json:"attachments"`      // manifests that are attached to others or under a legacy tag
	Blobs       int    `json:"blobs"`            // distinct blobs
	Sent        int64  `json:"bytesSent"`        // bytes of blobs that the target did not have
	Skipped     int64  `json:"bytesThereBefore"` // bytes of blobs that the target had or mounted
	Missing     []Note `json:"missing"`          // missing at the target, and why
	Elsewhere   []Note `json:"elsewhere"`        // layers that must not be distributed, and their locations
	Strays      []Note `json:"strays"`           // listed in the source but not part of the image
}

// start returns the report on the survey of the source.
func start(s *survey, tag string) *Report {
	r := &Report{
		Digest: s.image.Digest, Tag: tag, Manifests: len(s.order), Blobs: len(s.blobs()),
		Missing: append([]Note{}, s.missing...), Strays: append([]Note{}, s.strays...), Elsewhere: []Note{},
	}
	for _, t := range s.order {
		switch {
		case !s.parts[t.Digest]:
			r.Attachments++
		case !t.IsIndex():
			r.Platforms++
		}
		_, elsewhere := t.contents.Blobs()
		for _, d := range elsewhere {
			r.Elsewhere = append(r.Elsewhere, Note{d.Digest, d.URLs[0]})
		}
	}
	return r
}

func (r *Report) miss(d oci.Descriptor, why string) {
	r.Missing = append(r.Missing, Note{d.Digest, why})
}
