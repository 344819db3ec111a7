// SPDX-License-Identifier: Apache-2.0

package tsa

import (
	"bytes"
	"crypto"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/wire/rpcstatus"
	"github.com/hallmark-sign/hallmark/wire/timestamp"
)

const query = "application/timestamp-query"

// checkRejection checks a refusal in the form of RFC 3161.
func checkRejection(t *testing.T, name string, a answer, status int, fail timestamp.FailInfo) {
	t.Helper()
	var refused *timestamp.StatusError
	if _, err := timestamp.ParseResponse(a.body); !errors.As(err, &refused) {
		t.Errorf("%s: %d %.300q: %v", name, a.status, a.body, err)
		return
	}
	if a.status != status || refused.Status != 2 || refused.Fail != fail || refused.Text == "" || a.header.Get("Content-Type") != "application/timestamp-reply" {
		t.Errorf("%s: %d %+v, want %d with %d", name, a.status, refused, status, fail)
	}
	checkRetry(t, name, a)
}

// checkProblem checks a refusal in JSON.
func checkProblem(t *testing.T, name string, a answer, status int, code rpcstatus.Code) {
	t.Helper()
	var p struct {
		Code    rpcstatus.Code `json:"code"`
		Message string         `json:"message"`
		Details *[]string      `json:"details"`
	}
	if err := json.Unmarshal(a.body, &p); err != nil || p.Message == "" || p.Details == nil || len(*p.Details) > 0 {
		t.Errorf("%s: %d %.300q: %v", name, a.status, a.body, err)
	}
	if a.status != status || p.Code != code || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("%s: %d %.300q, want %d with %d", name, a.status, a.body, status, code)
	}
	checkRetry(t, name, a)
}

func checkRetry(t *testing.T, name string, a answer) {
	t.Helper()
	if (a.header.Get("Retry-After") != "") != (a.status == http.StatusServiceUnavailable) {
		t.Errorf("%s: %d with Retry-After %q", name, a.status, a.header.Get("Retry-After"))
	}
}

// replaced returns the DER of a request with one piece replaced.
func replaced(t *testing.T, old, new string) []byte {
	t.Helper()
	der := marshal(t, request("hello"))
	if !bytes.Contains(der, []byte(old)) {
		t.Fatalf("%x does not hold %x", der, old)
	}
	return bytes.Replace(der, []byte(old), []byte(new), 1)
}

func TestRefusesDER(t *testing.T) {
	i := newInstance(t, testkit.P256(t))
	good := marshal(t, request("hello"))
	other := request("hello")
	other.Policy = asn1.ObjectIdentifier{1, 2, 3}
	// The request without nonce and certReq, with extensions: [0] IMPLICIT.
	plain := request("hello")
	plain.Nonce, plain.CertReq = nil, false
	extended := append(marshal(t, plain), 0xa0, 0x00)
	extended[1] += 2
	for name, try := range map[string]struct {
		body []byte
		fail timestamp.FailInfo
	}{
		"nothing":       {nil, timestamp.BadDataFormat},
		"not DER":       {[]byte(`{"artifactHash":""}`), timestamp.BadDataFormat},
		"cut off":       {good[:len(good)-1], timestamp.BadDataFormat},
		"trailing data": {append(bytes.Clone(good), 0), timestamp.BadDataFormat},
		"version 2":     {replaced(t, "\x02\x01\x01", "\x02\x01\x02"), timestamp.BadDataFormat},
		"certReq false": {replaced(t, "\x01\x01\xff", "\x01\x01\x00"), timestamp.BadDataFormat},
		// 2.16.840.1.101.3.4.2.4 is SHA-224
		"SHA-224":         {replaced(t, "\x03\x04\x02\x01", "\x03\x04\x02\x04"), timestamp.BadAlg},
		"SHA-384's name":  {replaced(t, "\x03\x04\x02\x01", "\x03\x04\x02\x02"), timestamp.BadDataFormat},
		"another policy":  {marshal(t, other), timestamp.UnacceptedPolicy},
		"extensions":      {extended, timestamp.UnacceptedExtension},
		"as long as well": {bytes.Repeat([]byte{0x30}, maxRequest), timestamp.BadDataFormat},
	} {
		checkRejection(t, name, i.post(t, query, try.body), http.StatusBadRequest, try.fail)
	}
	checkRejection(t, "too long", i.post(t, query, make([]byte, maxRequest+1)), http.StatusRequestEntityTooLarge, timestamp.BadDataFormat)
	checkRejection(t, "GET", i.do(t, http.MethodGet, "/api/v1/timestamp", query, nil), http.StatusMethodNotAllowed, timestamp.BadRequest)
	endless := i.do(t, http.MethodPost, "/api/v1/timestamp", query, io.LimitReader(zeros{}, 1<<30))
	checkRejection(t, "endless", endless, http.StatusRequestEntityTooLarge, timestamp.BadDataFormat)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestRefusesJSON(t *testing.T) {
	i := newInstance(t, testkit.P256(t))
	const hash = `"artifactHash":"LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="`
	for name, body := range map[string]string{
		"nothing": "", "no members": "{}", "null": "null", "not JSON": "0\x80",
		"no algorithm": "{" + hash + "}", "SHA-1": "{" + hash + `,"hashAlgorithm":"sha1"}`,
		"other length":   "{" + hash + `,"hashAlgorithm":"sha512"}`,
		"doubled":        "{" + hash + "," + hash + `,"hashAlgorithm":"sha256"}`,
		"unknown":        "{" + hash + `,"hashAlgorithm":"sha256","x":1}`,
		"trailing":       "{" + hash + `,"hashAlgorithm":"sha256"}{}`,
		"nonce is a sum": "{" + hash + `,"hashAlgorithm":"sha256","nonce":1.5}`,
		"nonce is long":  "{" + hash + `,"hashAlgorithm":"sha256","nonce":` + strings.Repeat("9", 4000) + "}",
		"another policy": "{" + hash + `,"hashAlgorithm":"sha256","tsaPolicyOID":"1.2.3"}`,
		"many arcs":      "{" + hash + `,"hashAlgorithm":"sha256","tsaPolicyOID":"1.2` + strings.Repeat(".3", 2000) + `"}`,
		"deep":           strings.Repeat("[", maxRequest),
	} {
		checkProblem(t, name, i.post(t, "application/json", []byte(body)), http.StatusBadRequest, rpcstatus.InvalidArgument)
	}
	checkProblem(t, "too long", i.post(t, "application/json", make([]byte, maxRequest+1)), http.StatusRequestEntityTooLarge, rpcstatus.InvalidArgument)
	checkProblem(t, "GET", i.do(t, http.MethodGet, "/api/v1/timestamp", "", nil), http.StatusMethodNotAllowed, rpcstatus.Unimplemented)
	start := time.Now()
	for _, contentType := range []string{
		"", "text/plain", "application/timestamp-reply", "application/jsonx", "text/plain" + strings.Repeat(";a=b", 1_000_000),
	} {
		checkProblem(t, fmt.Sprintf("%.40s", contentType), i.post(t, contentType, marshal(t, request("hello"))),
			http.StatusUnsupportedMediaType, rpcstatus.InvalidArgument)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("refusing types took %v", took)
	}
}

func TestRefusesHalfABody(t *testing.T) {
	i := newInstance(t, testkit.P256(t))
	conn, err := net.Dial("tcp", strings.TrimPrefix(i.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /api/v1/timestamp HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(conn)
	if err != nil || !bytes.HasPrefix(out, []byte("HTTP/1.1 400 ")) {
		t.Errorf("%s, %v", out, err)
	}
}

// TestNoTime checks the refusals for a clock that went back, and for an expired certificate.
func TestNoTime(t *testing.T) {
	i := newInstance(t, testkit.P256(t))
	good := marshal(t, request("hello"))
	i.mustStamp(t, query, good)
	i.set(i.clockNow().Add(-time.Minute))
	checkRejection(t, "clock", i.post(t, query, good), http.StatusServiceUnavailable, timestamp.TimeNotAvailable)
	i.set(i.options.Chain[0].NotAfter)
	i.mustStamp(t, query, good)
	i.set(i.options.Chain[0].NotAfter.Add(time.Second))
	checkRejection(t, "certificate", i.post(t, query, good), http.StatusServiceUnavailable, timestamp.SystemFailure)
}

// A failing is a key that is unavailable, such as one in an HSM without power.
type failing struct{ crypto.Signer }

func (failing) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("slot 3 is gone")
}

func TestKeyIsGone(t *testing.T) {
	key := testkit.P256(t)
	i := newInstance(t, failing{key})
	a := i.post(t, query, marshal(t, request("hello")))
	checkRejection(t, "DER", a, http.StatusInternalServerError, timestamp.SystemFailure)
	if bytes.Contains(a.body, []byte("slot")) {
		t.Errorf("the response has the cause: %q", a.body)
	}
}

// FuzzTimestamp checks that every response is a token or a refusal with a client error.
func FuzzTimestamp(f *testing.F) {
	i := newInstance(f, testkit.P256(f))
	f.Add(query, marshal(f, request("hello")))
	f.Add("application/json", []byte(`{"artifactHash":"LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=","hashAlgorithm":"sha256","nonce":1}`))
	h := i.Handler()
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/api/v1/timestamp", bytes.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%d %q", w.Code, w.Body)
		}
		if w.Code == http.StatusCreated {
			if _, err := timestamp.ParseResponse(w.Body.Bytes()); err != nil {
				t.Error(err)
			}
		}
	})
}
