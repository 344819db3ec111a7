// SPDX-License-Identifier: Apache-2.0

package protojson_test

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/wire/protojson"
	"github.com/hallmark-sign/hallmark/wire/rekor"
	"github.com/hallmark-sign/hallmark/wire/sigalg"
)

// Messages of protobuf-specs that together have every kind of field.
type (
	material struct {
		publicKey          *identifier
		chain, certificate *certificate
		entries            []rekor.TransparencyLogEntry
		timestamps         *timestamps
	}
	identifier  struct{ hint protojson.String }
	certificate struct{ raw protojson.Bytes }
	timestamps  struct{ rfc3161 []timestamp }
	timestamp   struct{ signed protojson.Bytes }
	envelope    struct {
		payload     protojson.Bytes
		payloadType protojson.String
		signatures  []signature
	}
	signature struct {
		sig   protojson.Bytes
		keyid protojson.String
	}
	digest struct {
		algorithm int32
		digest    protojson.Bytes
	}
	service struct {
		url      protojson.String
		version  protojson.Uint32
		validFor *timeRange
		operator protojson.String
	}
	timeRange struct{ start, end *time.Time }
)

func (m *material) Members() []protojson.Member {
	return []protojson.Member{
		{Name: "publicKey", Oneof: true, Value: protojson.Optional(&m.publicKey)},
		{Name: "x509CertificateChain", Oneof: true, Value: protojson.Optional(&m.chain)},
		{Name: "certificate", Oneof: true, Value: protojson.Optional(&m.certificate)},
		{Name: "tlogEntries", Value: protojson.List(&m.entries)},
		{Name: "timestampVerificationData", Value: protojson.Optional(&m.timestamps)},
	}
}

func (m *identifier) Members() []protojson.Member {
	return []protojson.Member{{Name: "hint", Value: &m.hint}}
}

func (m *certificate) Members() []protojson.Member {
	return []protojson.Member{{Name: "rawBytes", Value: &m.raw}}
}

func (m *timestamps) Members() []protojson.Member {
	return []protojson.Member{{Name: "rfc3161Timestamps", Value: protojson.List(&m.rfc3161)}}
}

func (m *timestamp) Members() []protojson.Member {
	return []protojson.Member{{Name: "signedTimestamp", Value: &m.signed}}
}

func (m *envelope) Members() []protojson.Member {
	return []protojson.Member{
		{Name: "payload", Value: &m.payload},
		{Name: "payloadType", Proto: "payloadType", Value: &m.payloadType},
		{Name: "signatures", Value: protojson.List(&m.signatures)},
	}
}

func (m *signature) Members() []protojson.Member {
	return []protojson.Member{{Name: "sig", Value: &m.sig}, {Name: "keyid", Value: &m.keyid}}
}

func (m *digest) Members() []protojson.Member {
	return []protojson.Member{
		{Name: "algorithm", Value: protojson.Enum{At: &m.algorithm, Names: sigalg.HashAlgorithms()}},
		{Name: "digest", Value: &m.digest},
	}
}

func (m *service) Members() []protojson.Member {
	return []protojson.Member{
		{Name: "url", Value: &m.url},
		{Name: "majorApiVersion", Value: &m.version},
		{Name: "validFor", Value: protojson.Optional(&m.validFor)},
		{Name: "operator", Value: &m.operator},
	}
}

func (m *timeRange) Members() []protojson.Member {
	return []protojson.Member{{Name: "start", Value: protojson.Timestamp(&m.start)}, {Name: "end", Value: protojson.Timestamp(&m.end)}}
}

// newMessage returns a message by its name in testdata/mapping.txt; nil: none.
func newMessage(kind string) protojson.Message {
	switch kind {
	case "entry":
		return new(rekor.TransparencyLogEntry)
	case "material":
		return new(material)
	case "envelope":
		return new(envelope)
	case "digest":
		return new(digest)
	case "service":
		return new(service)
	}
	return nil
}

type mapping struct{ kind, document, want string }

// mappings reads testdata/mapping.txt. Its lines are "message document => what
// protobuf's encoder writes of it", with documents that are not one line of text
// quoted as in Go.
func mappings(t testing.TB) (all []mapping) {
	t.Helper()
	raw, err := os.ReadFile("testdata/mapping.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		kind, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if newMessage(kind) == nil {
			continue
		}
		document, want, ok := strings.Cut(rest, " => ")
		if !ok {
			t.Fatalf("no expectation in %s", line)
		}
		if text, err := strconv.Unquote(document); err == nil {
			document = text
		}
		all = append(all, mapping{kind, document, want})
	}
	return all
}

// TestMappingIsProtobufs compares with results recorded from protobuf's own decoder. A test of
// that name in interop/ compares them again.
func TestMappingIsProtobufs(t *testing.T) {
	for _, c := range mappings(t) {
		m := newMessage(c.kind)
		err := protojson.Unmarshal([]byte(c.document), m)
		if strings.HasPrefix(c.want, "refused") {
			if err == nil {
				t.Errorf("%s %s: accepted as %+v", c.kind, c.document, m)
			} else if !strings.HasPrefix(err.Error(), "line ") {
				t.Errorf("%s %s: no place in %q", c.kind, c.document, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s %s: %v", c.kind, c.document, err)
			continue
		}
		if got, err := protojson.Marshal(m); err != nil || string(got) != c.want {
			t.Errorf("%s %s:\ngot  %s, %v\nwant %s", c.kind, c.document, got, err, c.want)
		}
	}
}

// TestErrors checks that errors name the position and the member, and quote at most a line.
func TestErrors(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for text, want := range map[string]string{
		`{"logIndex": true}`:                    "line 1, column 14: logIndex can't be true",
		"{\n \"é\": 1}":                         `line 2, column 2: unknown field "é"`,
		"{\"logIndex\":1,\n\"log_index\":2}":    "line 2, column 1: logIndex is there twice",
		`{"logIndex":"x"}`:                      `line 1, column 13: logIndex can't be "x"`,
		`{"kindVersion":[]}`:                    "line 1, column 16: kindVersion can't be [",
		`[]`:                                    "line 1, column 1: the document can't be [",
		`{}{}`:                                  "line 1, column 3: data after the end",
		`{"logIndex":}`:                         "line 1, column 13: logIndex can't be }",
		`hello`:                                 "line 1, column 1: not JSON of this kind: ",
		``:                                      "line 1, column 1: not JSON of this kind: ",
		`{"` + long + `":1}`:                    `line 1, column 2: unknown field "xxx`,
		`{"canonicalizedBody":"` + long + `!"}`: `line 1, column 22: canonicalizedBody can't be "xxx`,
		`{"kindVersion":"` + long + `"}`:        `line 1, column 16: kindVersion can't be "xxx`,
		`{"kindVersion":` + strings.Repeat("[", 1<<20):    "line 1, column 16: kindVersion can't be [",
		`{"logIndex":` + strings.Repeat("[", 1<<20):       "line 1, column 13: logIndex can't be [",
		`{"logIndex":` + strings.Repeat("1", 1<<20) + `}`: "line 1, column 13: logIndex can't be 111",
	} {
		err := protojson.Unmarshal([]byte(text), new(rekor.TransparencyLogEntry))
		if err == nil || !strings.HasPrefix(err.Error(), want) || len(err.Error()) > 300 {
			t.Errorf("%.60s: got %.400v, want %s", text, err, want)
		}
	}
	oneof := protojson.Unmarshal([]byte(`{"publicKey":{},"certificate":{}}`), new(material))
	if oneof == nil || !strings.Contains(oneof.Error(), "column 17: certificate is there beside another member") {
		t.Error(oneof)
	}
}

func TestMarshalRefuses(t *testing.T) {
	late, early := time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(0, 12, 31, 0, 0, 0, 0, time.UTC)
	for name, m := range map[string]protojson.Message{
		"not UTF-8":       &identifier{"\xff"},
		"the year 10000":  &service{validFor: &timeRange{start: &late}},
		"the year before": &service{validFor: &timeRange{end: &early}},
	} {
		if raw, err := protojson.Marshal(m); err == nil {
			t.Errorf("%s is written: %s", name, raw)
		}
	}
}

func TestMarshalAll(t *testing.T) {
	for want, m := range map[string]protojson.Message{
		`{"payload":"","payloadType":"","signatures":[]}`:        new(envelope),
		`{"algorithm":"HASH_ALGORITHM_UNSPECIFIED","digest":""}`: new(digest),
		`{"tlogEntries":[]}`:                                                       new(material),
		`{"url":"","majorApiVersion":0,"operator":""}`:                             new(service),
		`{"logIndex":"0","integratedTime":"0","canonicalizedBody":""}`:             new(rekor.TransparencyLogEntry),
		`{"certificate":{"rawBytes":""},"tlogEntries":[]}`:                         &material{certificate: new(certificate)},
		`{"payload":"","payloadType":"","signatures":[{"sig":"","keyid":"\"\""}]}`: &envelope{signatures: []signature{{keyid: `""`}}},
	} {
		if got, err := protojson.MarshalAll(m); err != nil || string(got) != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
}

func TestMarshalIndent(t *testing.T) {
	m := &material{publicKey: new(identifier), timestamps: &timestamps{[]timestamp{{[]byte{0}}, {}}}}
	want := `{
  "publicKey": {},
  "timestampVerificationData": {
    "rfc3161Timestamps": [
      {
        "signedTimestamp": "AA=="
      },
      {}
    ]
  }
}`
	if got, err := protojson.MarshalIndent(m); err != nil || string(got) != want {
		t.Errorf("got %s, %v", got, err)
	}
}

// FuzzUnmarshal checks that every message that can be read can be written, and is read back as
// the same message.
func FuzzUnmarshal(f *testing.F) {
	for _, c := range mappings(f) {
		f.Add(c.kind, []byte(c.document))
	}
	f.Fuzz(func(t *testing.T, kind string, raw []byte) {
		m, again := newMessage(kind), newMessage(kind)
		if m == nil {
			return
		}
		before := bytes.Clone(raw)
		err := protojson.Unmarshal(raw, m)
		if !bytes.Equal(raw, before) {
			t.Fatal("the document was changed")
		}
		if err != nil {
			return
		}
		written, err := protojson.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if err := protojson.Unmarshal(written, again); err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		if same, err := protojson.Marshal(again); err != nil || !bytes.Equal(same, written) {
			t.Fatalf("%s reads as %s, %v", written, same, err)
		}
	})
}
