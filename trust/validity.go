package trust

import (
	"errors"
	"fmt"
	"time"

	commonpb "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Validity is a window of time: "closed and includes both the start and end
// times" (sigstore_common.proto, TimeRange). A zero End is open; the zero
// Validity contains nothing.
type Validity struct {
	Start, End time.Time
}

// Contains says whether t lies in the window.
func (v Validity) Contains(t time.Time) bool {
	if v.Start.IsZero() || t.Before(v.Start) {
		return false
	}
	return v.End.IsZero() || !t.After(v.End)
}

// validityFromProto reads a window. The start is required: without it a key or
// an authority would count for all of the past.
func validityFromProto(pb *commonpb.TimeRange) (Validity, error) {
	if pb.GetStart() == nil {
		return Validity{}, errors.New("validity without a start")
	}
	var v Validity
	for _, end := range []struct {
		pb *timestamppb.Timestamp
		to *time.Time
	}{{pb.GetStart(), &v.Start}, {pb.GetEnd(), &v.End}} {
		if end.pb == nil {
			continue
		}
		if err := end.pb.CheckValid(); err != nil {
			return Validity{}, fmt.Errorf("validity: %w", err)
		}
		*end.to = end.pb.AsTime()
	}
	if !v.End.IsZero() && v.End.Before(v.Start) {
		return Validity{}, errors.New("validity ends before it starts")
	}
	return v, nil
}

func (v Validity) proto() *commonpb.TimeRange {
	pb := &commonpb.TimeRange{Start: timestamppb.New(v.Start)}
	if !v.End.IsZero() {
		pb.End = timestamppb.New(v.End)
	}
	return pb
}
