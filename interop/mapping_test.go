// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strconv"
	"strings"
	"testing"

	bundlepb "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	commonpb "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	dssepb "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	rekorpb "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	trustpb "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

var record = flag.Bool("record", false, "write what protobuf makes of each line into wire/protojson/testdata")

const mappingFile = "../wire/protojson/testdata/mapping.txt"

// compact returns protobuf's JSON without the spaces that it adds at random.
func compact(t *testing.T, m proto.Message, o protojson.MarshalOptions) string {
	t.Helper()
	raw, err := o.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestMappingIsProtobufs checks that the expectations of wire/protojson are what
// protobuf's own decoder makes of each document.
func TestMappingIsProtobufs(t *testing.T) {
	raw, err := os.ReadFile(mappingFile)
	if err != nil {
		t.Fatal(err)
	}
	var recorded strings.Builder
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSuffix(line, "\n")
		kind, rest, _ := strings.Cut(line, " ")
		m := map[string]proto.Message{
			"entry": new(rekorpb.TransparencyLogEntry), "material": new(bundlepb.VerificationMaterial), "envelope": new(dssepb.Envelope),
			"digest": new(commonpb.HashOutput), "service": new(trustpb.Service),
		}[kind]
		if m == nil { // a heading
			recorded.WriteString(line + "\n")
			continue
		}
		document, want, _ := strings.Cut(rest, " => ")
		text := document
		if unquoted, err := strconv.Unquote(document); err == nil {
			text = unquoted
		}
		got := "refused"
		if err := protojson.Unmarshal([]byte(text), m); err == nil {
			got = compact(t, m, protojson.MarshalOptions{})
		}
		if want == "refused: not JSON" && !json.Valid([]byte(text)) {
			got = want // protobuf's decoder takes some numbers that JSON doesn't have
		}
		recorded.WriteString(kind + " " + document + " => " + got + "\n")
		if got != want && !*record {
			t.Errorf("%s\ngot %s", line, got)
		}
	}
	if *record {
		if err := os.WriteFile(mappingFile, []byte(recorded.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
