// SPDX-License-Identifier: Apache-2.0

package rpcstatus

import (
	"strings"
	"testing"
)

func TestMarshal(t *testing.T) {
	s := Status{InvalidArgument, "digest is <short>"}
	if got := string(s.Marshal()); got != `{"code":3,"message":"digest is <short>","details":[]}` {
		t.Errorf("got %s", got)
	}
	if got, err := Parse(s.Marshal()); got != s || err != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	if got := string(Status{Internal, "a\xffb"}.Marshal()); !strings.Contains(got, `"a`+"\ufffd"+`b"`) {
		t.Errorf("got %s", got)
	}
}

func TestParse(t *testing.T) {
	// as a gateway with details writes it
	got, err := Parse([]byte(`{"code":7,"message":"no","details":[{"@type":"type.googleapis.com/google.rpc.DebugInfo"}],"more":1}`))
	if err != nil || got != (Status{PermissionDenied, "no"}) {
		t.Errorf("got %+v, %v", got, err)
	}
	for name, body := range map[string]string{
		"empty": "", "not JSON": "<html>", "trailing data": `{"message":"a"}{}`, "doubled": `{"message":"a","message":"b"}`,
		"no message": `{"code":3}`, "null": "null", "other type": `{"message":3}`, "too long": `{"message":"` + strings.Repeat("x", MaxSize) + `"}`,
	} {
		if got, err := Parse([]byte(body)); err == nil {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"code":3,"message":"no","details":[]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := Parse(body)
		if err != nil {
			return
		}
		if again, err := Parse(s.Marshal()); err == nil && again != s {
			t.Fatalf("got %+v, want %+v", again, s)
		}
	})
}
