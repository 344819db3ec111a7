package transfer

import "github.com/hallmark-sign/hallmark/oci"

// Note is something, by digest or tag, and what is to be said of it.
type Note struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// Report is what came of a transfer. The numbers are of all that was to be carried.
type Report struct {
	Digest      string `json:"digest"`           // of the image
	Tag         string `json:"tag,omitempty"`    // that was to name it
	Complete    bool   `json:"complete"`         // the target was asked for all of it, and has it
	Platforms   int    `json:"platforms"`        // manifests of the image that are no index
	Manifests   int    `json:"manifests"`        // with those of attachments
	Attachments int    `json:"attachments"`      // manifests that hang on others, or are under a legacy tag
	Blobs       int    `json:"blobs"`            // each once
	Sent        int64  `json:"bytesSent"`        // bytes of blobs that the target did not have
	Skipped     int64  `json:"bytesThereBefore"` // bytes of blobs that it had, or took from beside
	Missing     []Note `json:"missing"`          // what the target does not have, and why
	Elsewhere   []Note `json:"elsewhere"`        // layers that may not be distributed, and where they are kept
	Strays      []Note `json:"strays"`           // what was listed in the source and does not belong to the image
}

// start is the report on what was seen at the source.
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
