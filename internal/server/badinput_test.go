// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hallmark-sign/hallmark/hallmarktest"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/wire/timestamp"
)

// gRPC status codes of refusals.
const (
	codeInvalid         = 3
	codeUnimplemented   = 12
	codeUnavailable     = 14
	codeUnauthenticated = 16
)

// A victim is an instance with the server's log, which must contain no panic and no token when
// the test ends.
type victim struct {
	*hallmarktest.Instance
	log *lockedBuffer
}

func newVictim(t *testing.T) *victim {
	t.Helper()
	v := &victim{log: new(lockedBuffer)}
	v.Instance = hallmarktest.Start(t, hallmarktest.Options{Logger: slog.New(slog.NewJSONHandler(v.log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	t.Cleanup(func() {
		for _, bad := range []string{"panic", "eyJ", `"level":"ERROR"`} {
			if _, rest, found := strings.Cut(v.log.String(), bad); found {
				t.Errorf("%s is in the log: %.500s", bad, rest)
			}
		}
		v.alive(t)
	})
	return v
}

// alive: whatever came before, the instance still signs.
func (v *victim) alive(t *testing.T) {
	t.Helper()
	if a := v.get(t, "/healthz"); a.status != 200 {
		t.Errorf("health: %d %s", a.status, a.body)
	}
	if a := v.post(t, "/api/v2/log/entries", "application/json", string(marshalEntry(t, hashedRekord(t)))); a.status != 201 {
		t.Errorf("a good entry: %d %s", a.status, a.body)
	}
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (v *victim) do(t *testing.T, method, path, contentType, body string, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequest(method, v.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req) // follows nothing
	if err != nil {
		t.Fatalf("%s %.100s: %v", method, path, err)
	}
	return read(t, resp)
}

func read(t *testing.T, resp *http.Response) answer {
	t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

func (v *victim) post(t *testing.T, path, contentType, body string, headers ...string) answer {
	t.Helper()
	return v.do(t, http.MethodPost, path, contentType, body, headers...)
}

func (v *victim) get(t *testing.T, path string) answer {
	t.Helper()
	return v.do(t, http.MethodGet, path, "", "")
}

// raw sends bytes as they are and reads one answer.
func (v *victim) raw(t *testing.T, text string) answer {
	t.Helper()
	conn := v.dial(t)
	defer conn.Close()
	go func() { // the server may answer and close before it has read all
		io.WriteString(conn, text)
		conn.(*net.TCPConn).CloseWrite()
	}()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%.60q: %v", text, err)
	}
	return read(t, resp)
}

func (v *victim) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(v.URL, "http://"), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	return conn
}

// checkLeaks: no answer has paths, the errors of libraries, or a token.
func checkLeaks(t *testing.T, name string, a answer) {
	t.Helper()
	for _, secret := range []string{"/tmp", ".go", "goroutine", "runtime", "jsontext", "json:", "x509", "asn1", "strconv", "tilelog", "hallmark.yaml", "eyJ"} {
		if strings.Contains(a.body, secret) {
			t.Errorf("%s: the answer has %q: %.300s", name, secret, a.body)
		}
	}
	if len(a.body) > 4000 {
		t.Errorf("%s: an answer of %d bytes", name, len(a.body))
	}
}

// checkProblem checks status, code and text of a refusal, to the letter.
func checkProblem(t *testing.T, name string, a answer, status, code int, message string) {
	t.Helper()
	checkLeaks(t, name, a)
	if status == http.StatusUnauthorized {
		// The reason stands between the message and the request ID.
		reason, ok := strings.CutSuffix(strings.TrimSpace(a.body), " (request ID "+a.header.Get("X-Request-Id")+`)","details":[]}`)
		prefix := fmt.Sprintf(`{"code":%d,"message":"%s`, code, message)
		if !ok || !strings.HasPrefix(reason, prefix) || len(reason) == len(prefix) {
			t.Errorf("%s: %s, want a reason and the request ID", name, a.body)
		}
		message = ""
	}
	want, err := json.Marshal(struct {
		Code    int      `json:"code"`
		Message string   `json:"message"`
		Details []string `json:"details"`
	}{code, message, []string{}})
	if err != nil {
		t.Fatal(err)
	}
	if message == "" {
		want = []byte(strings.TrimSpace(a.body))
	}
	if a.status != status || strings.TrimSpace(a.body) != string(want) || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("%s: got %d %.300s, want %d %s", name, a.status, a.body, status, want)
	}
	if a.header.Get("X-Request-Id") == "" {
		t.Errorf("%s: no request id", name)
	}
	if (a.header.Get("Retry-After") != "") != (status == http.StatusServiceUnavailable) {
		t.Errorf("%s: %d with Retry-After %q", name, status, a.header.Get("Retry-After"))
	}
}

// checkRejection checks a refusal as RFC 3161 has it.
func checkRejection(t *testing.T, name string, a answer, status int, fail timestamp.FailInfo) {
	t.Helper()
	checkLeaks(t, name, a)
	var refused *timestamp.StatusError
	if _, err := timestamp.ParseResponse([]byte(a.body)); !errors.As(err, &refused) {
		t.Errorf("%s: %d %.200q: %v", name, a.status, a.body, err)
		return
	}
	if a.status != status || refused.Fail != fail || a.header.Get("Content-Type") != "application/timestamp-reply" {
		t.Errorf("%s: got %d %+v, want %d with failure %d", name, a.status, refused, status, fail)
	}
}

// TestContentTypesAndLimits checks that each service accepts one content type, ignores its
// parameters, and limits bodies.
func TestContentTypesAndLimits(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	const (
		caType    = "content type must be application/json"
		tsaType   = "content type must be application/timestamp-query or application/json"
		loginType = `{"error":"invalid_request","error_description":"content type must be application/x-www-form-urlencoded"}`
	)
	for _, contentType := range []string{"", "text/plain", "application/jsonx", "multipart/form-data; boundary=x", "application/json, application/json", ";"} {
		checkProblem(t, "v2 "+contentType, v.post(t, "/api/v2/signingCert", contentType, "{}"), 415, codeInvalid, caType)
		checkProblem(t, "v1 "+contentType, v.post(t, "/api/v1/signingCert", contentType, "{}"), 415, codeInvalid, caType)
		checkProblem(t, "log "+contentType, v.post(t, "/api/v2/log/entries", contentType, "{}"), 415, codeInvalid, caType)
		checkProblem(t, "TSA "+contentType, v.post(t, "/api/v1/timestamp", contentType, "{}"), 415, codeInvalid, tsaType)
		if a := v.post(t, "/login/token", contentType, "{}"); a.status != 415 || strings.TrimSpace(a.body) != loginType {
			t.Errorf("login %s: %d %s", contentType, a.status, a.body)
		}
	}
	over := func(n int) string { return strings.Repeat(" ", n+1) }
	checkProblem(t, "CA", v.post(t, "/api/v2/signingCert", "application/json", over(64<<10)), 413, codeInvalid, "request is larger than 64 KiB")
	checkProblem(t, "CA v1", v.post(t, "/api/v1/signingCert", "application/json", over(64<<10)), 413, codeInvalid, "request is larger than 64 KiB")
	checkProblem(t, "log", v.post(t, "/api/v2/log/entries", "application/json", over(8<<20)), 413, codeInvalid, "request is larger than 8 MiB")
	checkProblem(t, "TSA", v.post(t, "/api/v1/timestamp", "application/json", over(8<<10)), 413, codeInvalid, "request is larger than 8 KiB")
	checkRejection(t, "TSA", v.post(t, "/api/v1/timestamp", "application/timestamp-query", over(8<<10)), 413, timestamp.BadDataFormat)
	a := v.post(t, "/login/token", "application/x-www-form-urlencoded", "a="+over(16<<10))
	if want := `{"error":"invalid_request","error_description":"request is too large"}`; a.status != 413 || strings.TrimSpace(a.body) != want {
		t.Errorf("login: %d %s", a.status, a.body)
	}
}

// TestContentTypeOfAMillionParts checks that a content type of a million parts exceeds the limit
// of headers, and that one of fifteen thousand is parsed quickly.
func TestContentTypeOfAMillionParts(t *testing.T) {
	testkit.Sequential(t)
	t.Parallel()
	v := newVictim(t)
	for _, path := range []string{"/api/v2/signingCert", "/api/v2/log/entries", "/api/v1/timestamp", "/login/token"} {
		start := time.Now()
		a := v.raw(t, "POST "+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Type: text/plain"+strings.Repeat(";a=b", 1_000_000)+"\r\n\r\n{}")
		if a.status != 431 || a.body != "431 Request Header Fields Too Large" {
			t.Errorf("%s: %d %.200s", path, a.status, a.body)
		}
		if a := v.post(t, path, "text/plain"+strings.Repeat(";a=b", 15_000), "{}"); a.status != 415 {
			t.Errorf("%s: %d %.200s", path, a.status, a.body)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s took %v", path, took)
		}
	}
}

// TestBadHTTP checks that malformed HTTP gets the response of Go's server, and a truncated
// request that of the service.
func TestBadHTTP(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	const post = "POST /api/v2/log/entries HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	const early = `{"code":3,"message":"request body ended early","details":[]}`
	for name, try := range map[string]struct {
		request string
		status  int
		body    string
	}{
		"length beyond int64":     {post + "Content-Length: 99999999999999999999\r\n\r\n{}", 400, "400 Bad Request"},
		"negative length":         {post + "Content-Length: -1\r\n\r\n{}", 400, "400 Bad Request"},
		"two lengths":             {post + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400, "400 Bad Request"},
		"absurd length":           {post + "Content-Length: 9223372036854775807\r\n\r\n{}", 400, early},
		"chunks of garbage":       {post + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", 400, early},
		"endless chunk length":    {post + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("0", 5000), 400, early},
		"chunks break off":        {post + "Transfer-Encoding: chunked\r\n\r\n5\r\n{}", 400, early},
		"other coding":            {post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, "Unsupported transfer encoding"},
		"huge header":             {post + "X: " + strings.Repeat("x", 100<<10) + "\r\n\r\n", 431, "431 Request Header Fields Too Large"},
		"many headers":            {post + strings.Repeat("X: x\r\n", 20_000) + "\r\n", 431, "431 Request Header Fields Too Large"},
		"long path":               {"GET /" + strings.Repeat("a", 100<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n", 431, "431 Request Header Fields Too Large"},
		"no host":                 {"GET /healthz HTTP/1.1\r\n\r\n", 400, "400 Bad Request: missing required Host header"},
		"folded header":           {"GET /healthz HTTP/1.1\r\nHost: x\r\n X: y\r\n\r\n", 400, "400 Bad Request: malformed Host header"},
		"NUL in path":             {"GET /trust/\x00 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "400 Bad Request"},
		"TLS":                     {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "400 Bad Request"},
		"HTTP/2 without TLS":      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, ""},
		"HTTP/3":                  {"GET / HTTP/3.0\r\n\r\n", 505, "505 HTTP Version Not Supported: unsupported protocol version"},
		"HTTP/1.0":                {"GET /healthz HTTP/1.0\r\n\r\n", 200, `{"status":"ok"}`},
		"HTTP/1.0 without an end": {"POST /api/v2/log/entries HTTP/1.0\r\nContent-Type: application/json\r\n\r\n{}", 400, `{"code":3,"message":"request is not a valid hashedRekordRequestV002 or dsseRequestV002","details":[]}`},
	} {
		a := v.raw(t, try.request)
		checkLeaks(t, name, a)
		if a.status != try.status || strings.TrimSpace(a.body) != try.body {
			t.Errorf("%s: got %d %.200q, want %d %q", name, a.status, a.body, try.status, try.body)
		}
	}
}

// TestPipelining checks that pipelined requests are answered in their order.
func TestPipelining(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	conn := v.dial(t)
	defer conn.Close()
	const n = 50
	go func() {
		for range n {
			fmt.Fprint(conn, "POST /api/v2/log/entries HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		}
	}()
	in := bufio.NewReader(conn)
	for k := range 2 * n {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if a, want := read(t, resp), []int{400, 200}[k%2]; a.status != want {
			t.Errorf("answer %d: %d %s, want %d", k, a.status, a.body, want)
		}
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"} {
		for path, message := range map[string]string{
			"/api/v2/signingCert": "certificates are asked for with POST",
			"/api/v1/signingCert": "certificates are asked for with POST",
			"/api/v2/log/entries": "entries are added with POST",
			"/api/v1/timestamp":   "timestamps are asked for with POST",
		} {
			a := v.do(t, method, path, "application/json", "")
			if method == "HEAD" {
				if a.status != 405 {
					t.Errorf("HEAD %s: %d", path, a.status)
				}
				continue
			}
			checkProblem(t, method+" "+path, a, 405, codeUnimplemented, message)
			if a.header.Get("Allow") != "POST" {
				t.Errorf("%s %s: Allow %q", method, path, a.header.Get("Allow"))
			}
		}
	}
	for _, path := range []string{
		"/api/v2/trustBundle", "/api/v2/configuration", "/api/v1/rootCert", "/api/v2/checkpoint", "/ct/checkpoint",
		"/api/v1/timestamp/certchain", "/login/keys", "/.well-known/openid-configuration",
	} {
		if a := v.do(t, "DELETE", path, "", ""); a.status != 405 || strings.TrimSpace(a.body) != "Method Not Allowed" {
			t.Errorf("DELETE %s: %d %s", path, a.status, a.body)
		}
	}
}

// TestPathTraversal checks that no spelling of a path leads to unpublished files.
func TestPathTraversal(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	addEntry(t, v.URL)
	for _, base := range []string{"/trust/", "/ct/", "/ct/tile/", "/ct/issuer/", "/api/v2/tile/", "/api/v2/tile/0/", "/api/v2/tile/entries/"} {
		for _, rest := range []string{
			"..%2fhallmark.yaml", "..%2f..%2fhallmark.yaml", "%2e%2e/hallmark.yaml", "%2e%2e%2fjournal", "..%5cjournal", "....//journal",
			"%2fetc%2fpasswd", "journal", "lock", "checkpoint%00", "000%00", "0/000.p/1/..%2f..%2f..%2fjournal", "x001/..%2f000",
			"99/000", "0/000.p/0", "0/000.p/256", "0/000.p/01", "-1/000", "0/x000/000", "18446744073709551616/000", "trusted_root.json%2f", strings.Repeat("x999/", 1000) + "999",
		} {
			a := v.get(t, base+rest)
			for a.status == http.StatusTemporaryRedirect { // a path written shorter
				a = v.get(t, a.header.Get("Location"))
			}
			if a.status != 404 || strings.TrimSpace(a.body) != "404 page not found" {
				t.Errorf("%s%.60s: %d %.100s", base, rest, a.status, a.body)
			}
		}
	}
	// A redirect stays here.
	for _, path := range []string{"//evil.example/..", "///evil.example", "/trust/..//evil.example/x"} {
		a := v.raw(t, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		if where := a.header.Get("Location"); strings.HasPrefix(where, "//") || strings.Contains(where, ":") {
			t.Errorf("%s leads to %s", path, where)
		}
	}
	if !bytes.Contains([]byte(v.get(t, "/trust/trusted_root.json").body), []byte("trustedroot")) {
		t.Error("the trusted root is not served")
	}
}
