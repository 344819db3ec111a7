// SPDX-License-Identifier: Apache-2.0

package ca

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/hallmark-sign/hallmark/identity"
	"github.com/hallmark-sign/hallmark/internal/testkit"
	"github.com/hallmark-sign/hallmark/internal/tilelog"
	"github.com/hallmark-sign/hallmark/wire/fulcio"
	"github.com/hallmark-sign/hallmark/wire/rpcstatus"
	"github.com/hallmark-sign/hallmark/wire/sct"
)

func TestBearer(t *testing.T) {
	i := newInstance(t, testkit.P256(t))
	r := request(t, testkit.P256(t))
	both := marshal(t, r)
	r.Token = ""
	for name, a := range map[string]answer{
		"header alone":     i.post(t, "/api/v2/signingCert", marshal(t, r), "Authorization", "Bearer "+goodToken),
		"scheme in lower":  i.post(t, "/api/v2/signingCert", marshal(t, r), "Authorization", "bearer "+goodToken),
		"both, alike":      i.post(t, "/api/v2/signingCert", both, "Authorization", "Bearer "+goodToken),
		"type with params": i.post(t, "/api/v2/signingCert", both, "Content-Type", "Application/JSON; charset=utf-8"),
	} {
		if _, err := fulcio.ParseResponse(a.body); a.status != http.StatusOK || err != nil {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

func TestV1(t *testing.T) {
	i := newInstance(t, testkit.P256(t))
	key := testkit.Key(t, elliptic.P384())
	r := request(t, key)
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"DER": der, "PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
	} {
		body := fmt.Sprintf(`{"publicKey":{"algorithm":"ecdsa","content":%q},"signedEmailAddress":%q}`,
			base64.StdEncoding.EncodeToString(content), base64.StdEncoding.EncodeToString(r.ProofOfPossession))
		a := i.post(t, "/api/v1/signingCert", body, "Authorization", "Bearer "+goodToken)
		if a.status != http.StatusCreated || a.header.Get("Content-Type") != "application/pem-certificate-chain" {
			t.Fatalf("%s: %d %s", name, a.status, a.body)
		}
		chain := parsePEM(t, a.body)
		if len(chain) != 3 {
			t.Fatalf("%s: chain of %d", name, len(chain))
		}
		i.checkFields(t, chain[0], key.Public())
		i.checkTransparency(t, chain[0])
	}
	if a := i.post(t, "/api/v1/signingCert", `{}`); a.status != http.StatusBadRequest {
		t.Errorf("nothing: %d", a.status)
	}
}

func parsePEM(t *testing.T, content []byte) []*x509.Certificate {
	t.Helper()
	var chain []*x509.Certificate
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		chain = append(chain, cert)
	}
	return chain
}

func TestWhatNeverChanges(t *testing.T) {
	i := newInstance(t, testkit.P256(t))
	a := i.get(t, "/api/v2/trustBundle")
	b, err := fulcio.ParseTrustBundle(a.body)
	if err != nil || a.status != http.StatusOK || len(b) != 1 || !slices.EqualFunc(b[0], i.options.Chain, (*x509.Certificate).Equal) {
		t.Errorf("trust bundle: %d %s, %v", a.status, a.body, err)
	}
	a = i.get(t, "/api/v2/configuration")
	c, err := fulcio.ParseConfiguration(a.body)
	if err != nil || a.status != http.StatusOK || !slices.Equal(c.Issuers, i.options.Configuration().Issuers) {
		t.Errorf("configuration: %d %s, %v", a.status, a.body, err)
	}
	a = i.get(t, "/api/v1/rootCert")
	if a.status != http.StatusOK || !slices.EqualFunc(parsePEM(t, a.body), i.options.Chain, (*x509.Certificate).Equal) {
		t.Errorf("root: %d %s", a.status, a.body)
	}
	for _, path := range []string{"/", "/api/v2/", "/api/v2/signingCert/x"} {
		if a := i.get(t, path); a.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

// checkRefusal checks the answer, which never quotes the request.
func checkRefusal(t *testing.T, name string, a answer, status int, code rpcstatus.Code) {
	t.Helper()
	var p struct {
		Code    rpcstatus.Code `json:"code"`
		Message string         `json:"message"`
		Details *[]string      `json:"details"`
	}
	d := json.NewDecoder(bytes.NewReader(a.body))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil || p.Message == "" || p.Details == nil || len(*p.Details) != 0 {
		t.Errorf("%s: %d %.300s: %v", name, a.status, a.body, err)
	}
	if a.status != status || p.Code != code || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("%s: %d %.300s, want %d with code %d", name, a.status, a.body, status, code)
	}
	if retry := a.header.Get("Retry-After"); (retry != "") != (status == http.StatusServiceUnavailable) {
		t.Errorf("%s: %d with Retry-After %q", name, status, retry)
	}
	if status == http.StatusUnauthorized && a.header.Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("%s: no WWW-Authenticate", name)
	}
	if len(a.body) > 300 || bytes.Contains(a.body, []byte("eyJ")) {
		t.Errorf("%s: %.300s", name, a.body)
	}
}

// checkSecrets checks that no token is in the log.
func (i *instance) checkSecrets(t *testing.T) {
	t.Helper()
	if text := i.log.String(); strings.Contains(text, "eyJ") || strings.Contains(text, "....") {
		t.Errorf("a token is in the log: %.2000s", text)
	}
}

func TestRefusesForm(t *testing.T) {
	i := newInstance(t, testkit.P256(t))
	key := testkit.P256(t)
	good := marshal(t, request(t, key))
	unknown := strings.Replace(good, `{`, `{"extra":1,`, 1)
	twice := strings.Replace(good, `{"credentials"`, `{"credentials":{"oidcIdentityToken":"eyJ"},"credentials"`, 1)
	both := strings.Replace(good, `{`, `{"certificateSigningRequest":"AAAA",`, 1)
	for name, body := range map[string]string{
		"nothing": "", "not JSON": "<x/>", "an array": "[]", "null": "null", "no members": "{}",
		"cut off": good[:len(good)-1], "unknown member": unknown, "doubled member": twice,
		"trailing data": good + "{}", "key and CSR": both, "other case": strings.Replace(good, "credentials", "Credentials", 1),
		"no proof":          strings.Replace(good, `"proofOfPossession"`, `"proofOfpossession"`, 1),
		"key is a number":   `{"publicKeyRequest":{"publicKey":{"content":7},"proofOfPossession":"AA=="}}`,
		"key is no PEM":     `{"publicKeyRequest":{"publicKey":{"content":"x"},"proofOfPossession":"AA=="}}`,
		"CSR is no PEM":     `{"certificateSigningRequest":"AAAA"}`,
		"deep nesting":      strings.Repeat("[", fulcio.MaxRequest),
		"deep object":       strings.Repeat(`{"credentials":`, 4000),
		"not UTF-8":         strings.Replace(good, goodToken, "\xff\xfe", 1),
		"as long as it may": good + strings.Repeat(" ", fulcio.MaxRequest-len(good)-1) + "x",
	} {
		checkRefusal(t, name, i.post(t, "/api/v2/signingCert", body), http.StatusBadRequest, rpcstatus.InvalidArgument)
	}
	padded := good + strings.Repeat(" ", fulcio.MaxRequest-len(good))
	if a := i.post(t, "/api/v2/signingCert", padded); a.status != http.StatusOK {
		t.Errorf("as long as it may be: %d %s", a.status, a.body)
	}
	checkRefusal(t, "too long", i.post(t, "/api/v2/signingCert", padded+" "), http.StatusRequestEntityTooLarge, rpcstatus.InvalidArgument)
	for _, contentType := range []string{"", "text/plain", "application/jsonx", "application/x-www-form-urlencoded", "text/json"} {
		checkRefusal(t, contentType, i.post(t, "/api/v2/signingCert", good, "Content-Type", contentType),
			http.StatusUnsupportedMediaType, rpcstatus.InvalidArgument)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, i.url+"/api/v2/signingCert", nil)
	if err != nil {
		t.Fatal(err)
	}
	checkRefusal(t, "GET", i.do(t, r), http.StatusMethodNotAllowed, rpcstatus.Unimplemented)
	i.checkSecrets(t)
}

// TestRefusesHuge checks that oversized requests are refused fast.
func TestRefusesHuge(t *testing.T) {
	i := newInstance(t, testkit.P256(t))
	r := request(t, testkit.P256(t))
	good := marshal(t, r)
	r.Token = ""
	tokenless := marshal(t, r)
	const million = 1_000_000
	start := time.Now()
	checkRefusal(t, "content type of a million parts",
		i.post(t, "/api/v2/signingCert", good, "Content-Type", "text/plain"+strings.Repeat(";a=b", million)),
		http.StatusUnsupportedMediaType, rpcstatus.InvalidArgument)
	checkRefusal(t, "token of a million dots",
		i.post(t, "/api/v2/signingCert", tokenless, "Authorization", "Bearer "+strings.Repeat(".", million)),
		http.StatusBadRequest, rpcstatus.InvalidArgument)
	checkRefusal(t, "token above the limit in the body",
		i.post(t, "/api/v2/signingCert", strings.Replace(good, goodToken, strings.Repeat("eyJ.", maxToken/4+1), 1)),
		http.StatusBadRequest, rpcstatus.InvalidArgument)
	checkRefusal(t, "OID of a million arcs", i.post(t, "/api/v2/signingCert", csrWithArcs(t, million)),
		http.StatusRequestEntityTooLarge, rpcstatus.InvalidArgument)
	checkRefusal(t, "OID of 30,000 arcs", i.post(t, "/api/v2/signingCert", csrWithArcs(t, 30_000)),
		http.StatusBadRequest, rpcstatus.InvalidArgument)
	checkRefusal(t, "endless body", i.do(t, endless(t, i.url)), http.StatusRequestEntityTooLarge, rpcstatus.InvalidArgument)
	if took := time.Since(start); took > time.Minute {
		t.Errorf("refusing took %v", took)
	}
	i.checkSecrets(t)
}

// csrWithArcs returns a body with a signing request whose extension has a long OID, and whose
// signature is invalid.
func csrWithArcs(t *testing.T, arcs int) string {
	t.Helper()
	der := csrRequest(t, testkit.P256(t)).CSR.Raw
	var in, outer, info cryptobyte.String = der, nil, nil
	if !in.ReadASN1(&outer, cbasn1.SEQUENCE) || !outer.ReadASN1(&info, cbasn1.SEQUENCE) {
		t.Fatal("not a signing request")
	}
	attributes := cbasn1.Tag(0).ContextSpecific().Constructed()
	var version, subject, key cryptobyte.String
	if !info.ReadASN1Element(&version, cbasn1.INTEGER) || !info.ReadASN1Element(&subject, cbasn1.SEQUENCE) || !info.ReadASN1Element(&key, cbasn1.SEQUENCE) {
		t.Fatal("not a signing request")
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(slices.Concat(version, subject, key))
			b.AddASN1(attributes, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1(cbasn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes(bytes.Repeat([]byte{1}, arcs)) })
					b.AddASN1(cbasn1.SET, func(*cryptobyte.Builder) {})
				})
			})
		})
		b.AddBytes(outer)
	})
	content := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: b.BytesOrPanic()})
	return fmt.Sprintf(`{"credentials":{"oidcIdentityToken":%q},"certificateSigningRequest":%q}`,
		goodToken, base64.StdEncoding.EncodeToString(content))
}

// endless returns a request whose body has no length, and is practically endless.
func endless(t *testing.T, url string) *http.Request {
	t.Helper()
	body := io.LimitReader(zeros{}, 1<<30)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/api/v2/signingCert", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	return r
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestRefusesHalfABody(t *testing.T) {
	i := newInstance(t, testkit.P256(t))
	conn, err := net.Dial("tcp", strings.TrimPrefix(i.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /api/v2/signingCert HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(conn)
	if err != nil || !bytes.HasPrefix(out, []byte("HTTP/1.1 400 ")) {
		t.Errorf("%s, %v", out, err)
	}
}

func TestRefusesTokens(t *testing.T) {
	i := newInstance(t, testkit.P256(t))
	bad := func(name string) string { return "eyJhbGciOiJFUzI1NiJ9." + name }
	known := i.options.Tokens.(tokens)
	known[bad("expired")] = fails(errors.New("token is expired"))
	known[bad("audience")] = fails(errors.New("token is for another audience"))
	known[bad("unverified")] = fails(errors.New("email is not verified"))
	known[bad("away")] = fails(fmt.Errorf("checking: %w", away{}))
	known[bad("slow")] = fails(fmt.Errorf("checking: %w", context.DeadlineExceeded))
	known[bad("nobody")] = is(identity.Identity{Issuer: "https://login.example.com"})
	known[bad("bidi")] = is(identity.Identity{
		Issuer: "https://login.example.com", Subject: identity.Subject{Type: identity.Username, Value: "a\u202eb!example.com"},
	})
	long := alice()
	long.Build.SourceRepositoryRef = strings.Repeat("x", maxExtensions)
	known[bad("long")] = is(long)
	r := request(t, testkit.P256(t))
	for name, want := range map[string]struct {
		status int
		code   rpcstatus.Code
	}{
		"forged": {401, rpcstatus.Unauthenticated}, "expired": {401, rpcstatus.Unauthenticated},
		"audience": {401, rpcstatus.Unauthenticated}, "unverified": {401, rpcstatus.Unauthenticated},
		"away": {503, rpcstatus.Unavailable}, "slow": {503, rpcstatus.Unavailable},
		"nobody": {403, rpcstatus.PermissionDenied}, "bidi": {403, rpcstatus.PermissionDenied}, "long": {403, rpcstatus.PermissionDenied},
	} {
		r.Token = bad(name)
		checkRefusal(t, name, i.post(t, "/api/v2/signingCert", marshal(t, r)), want.status, want.code)
	}
	r.Token = ""
	tokenless := marshal(t, r)
	checkRefusal(t, "none", i.post(t, "/api/v2/signingCert", tokenless), 401, rpcstatus.Unauthenticated)
	checkRefusal(t, "empty", i.post(t, "/api/v2/signingCert", tokenless, "Authorization", "Bearer "), 401, rpcstatus.Unauthenticated)
	checkRefusal(t, "basic", i.post(t, "/api/v2/signingCert", tokenless, "Authorization", "Basic eyJ"), 400, rpcstatus.InvalidArgument)
	checkRefusal(t, "two headers", i.post(t, "/api/v2/signingCert", tokenless,
		"Authorization", "Bearer "+goodToken, "Authorization", "Bearer "+goodToken), 400, rpcstatus.InvalidArgument)
	r.Token = goodToken
	checkRefusal(t, "two tokens", i.post(t, "/api/v2/signingCert", marshal(t, r), "Authorization", "Bearer "+bad("other")), 400, rpcstatus.InvalidArgument)
	i.checkSecrets(t)
	if i.ct.Size() != 0 {
		t.Error("something is logged")
	}
}

func TestRefusesKeys(t *testing.T) {
	i := newInstance(t, testkit.P256(t))
	key := testkit.P256(t)
	other := request(t, testkit.P256(t))
	x25519, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cubed := &rsa.PublicKey{N: testkit.RSA(t, 2048).N, E: 3}
	another := request(t, key)
	another.ProofOfPossession = other.ProofOfPossession
	wrongChallenge := request(t, key)
	if wrongChallenge.ProofOfPossession, err = fulcio.SignProof(rand.Reader, key, "mallory@example.com"); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]fulcio.Request{
		"proof by another key":        another,
		"proof of another challenge":  wrongChallenge,
		"proof of no use":             {Token: goodToken, PublicKey: key.Public(), ProofOfPossession: []byte{1}},
		"P-224":                       {Token: goodToken, PublicKey: testkit.Key(t, elliptic.P224()).Public(), ProofOfPossession: []byte{1}},
		"RSA 1024":                    {Token: goodToken, PublicKey: newRSA(t, 1024).Public(), ProofOfPossession: []byte{1}},
		"RSA 2056":                    {Token: goodToken, PublicKey: newRSA(t, 2056).Public(), ProofOfPossession: []byte{1}},
		"RSA with exponent 3":         {Token: goodToken, PublicKey: cubed, ProofOfPossession: []byte{1}},
		"X25519":                      {Token: goodToken, PublicKey: x25519.PublicKey(), ProofOfPossession: []byte{1}},
		"signing request of P-224":    csrRequest(t, testkit.Key(t, elliptic.P224())),
		"signing request of RSA 1024": csrRequest(t, newRSA(t, 1024)),
	} {
		checkRefusal(t, name, i.post(t, "/api/v2/signingCert", marshal(t, r)), http.StatusBadRequest, rpcstatus.InvalidArgument)
	}
	// The signature of a signing request is checked too.
	csr := csrRequest(t, key)
	broken := bytes.Clone(csr.CSR.Raw)
	broken[len(broken)-1] ^= 1
	csr.CSR.Raw = broken
	checkRefusal(t, "forged signing request", i.post(t, "/api/v2/signingCert", marshal(t, csr)), http.StatusBadRequest, rpcstatus.InvalidArgument)
	if i.ct.Size() != 0 {
		t.Error("something is logged")
	}
}

// A brokenLog is a CT log that always fails.
type brokenLog struct{ err error }

func (b brokenLog) AddPrecert(context.Context, []byte, []*x509.Certificate) (sct.SCT, error) {
	return sct.SCT{}, b.err
}

func (brokenLog) Recent(context.Context, time.Time) iter.Seq2[*x509.Certificate, error] {
	return func(func(*x509.Certificate, error) bool) {}
}

func TestLogIsAway(t *testing.T) {
	i := newInstance(t, testkit.P256(t))
	body := marshal(t, request(t, testkit.P256(t)))
	for name, try := range map[string]struct {
		err    error
		status int
		code   rpcstatus.Code
	}{
		"failed": {fmt.Errorf("logging: %w", tilelog.ErrFailed), 503, rpcstatus.Unavailable},
		"other":  {errors.New("the disk's secret"), 500, rpcstatus.Internal},
	} {
		o := i.options
		o.CTLog = brokenLog{try.err}
		a, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(a.Handler())
		other := &instance{url: server.URL}
		checkRefusal(t, name, other.post(t, "/api/v2/signingCert", body), try.status, try.code)
		server.Close()
	}
	if err := i.ct.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkRefusal(t, "closed", i.post(t, "/api/v2/signingCert", body), 503, rpcstatus.Unavailable)
	i.checkSecrets(t)
}

func TestNewRefuses(t *testing.T) {
	key := testkit.P256(t)
	good := newInstance(t, key).options
	leafKey := testkit.P256(t)
	leaf := newInstance(t, key).mustIssue(t, request(t, leafKey))
	for name, change := range map[string]func(*Options){
		"no key":             func(o *Options) { o.Key = nil },
		"no tokens":          func(o *Options) { o.Tokens = nil },
		"no CT log":          func(o *Options) { o.CTLog = nil },
		"no chain":           func(o *Options) { o.Chain = nil },
		"another's key":      func(o *Options) { o.Key = testkit.P256(t) },
		"no root":            func(o *Options) { o.Chain = o.Chain[:1] },
		"another's root":     func(o *Options) { o.Chain = []*x509.Certificate{o.Chain[0], newChain(t, key.Public(), time.Now())[1]} },
		"root first":         func(o *Options) { o.Chain = []*x509.Certificate{o.Chain[1], o.Chain[0]} },
		"a spare":            func(o *Options) { o.Chain = []*x509.Certificate{o.Chain[0], o.Chain[0], o.Chain[1]} },
		"a leaf":             func(o *Options) { o.Key, o.Chain = leafKey, leaf },
		"expired":            func(o *Options) { o.Clock = func() time.Time { return time.Now().AddDate(4, 0, 0) } },
		"not yet valid":      func(o *Options) { o.Clock = func() time.Time { return time.Now().AddDate(-1, 0, 0) } },
		"more than a header": func(o *Options) { o.Chain = slices.Repeat(o.Chain, fulcio.MaxChain) },
	} {
		o := good
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	rootOnly := good
	rootOnly.Chain = good.Chain[1:]
	if _, err := New(rootOnly); err == nil {
		t.Error("root with another key: accepted")
	}
}

// FuzzSigningCert checks that every response is a certificate or a refusal with a client
// error.
func FuzzSigningCert(f *testing.F) {
	i := newInstance(f, testkit.P256(f))
	var key crypto.Signer = testkit.P256(f)
	f.Add("application/json", "", []byte(marshal(f, request(f, key))))
	f.Add("application/json", "Bearer "+goodToken, []byte(marshal(f, csrRequest(f, key))))
	f.Add("application/json;a", "Basic", []byte(`{"publicKey":{"content":"AA=="},"signedEmailAddress":"AA=="}`))
	h := i.Handler()
	f.Fuzz(func(t *testing.T, contentType, authorization string, body []byte) {
		for _, path := range []string{"/api/v2/signingCert", "/api/v1/signingCert"} {
			r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
			r.Header.Set("Content-Type", contentType)
			if authorization != "" {
				r.Header.Set("Authorization", authorization)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code >= 500 {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		}
	})
}

// TestExplain checks that an explanation issues nothing, and that a token is needed.
func TestExplain(t *testing.T) {
	i := newInstance(t, testkit.P256(t))
	const path = "/api/hallmark/v1/explain"
	a := i.post(t, path, "", "Authorization", "Bearer "+goodToken)
	e, err := fulcio.ParseExplanation(a.body)
	if err != nil || a.status != http.StatusOK || len(e.Fields) != 1 || e.Fields[0].Value != alice().Subject.Value {
		t.Errorf("got %d %s, %v", a.status, a.body, err)
	}
	for what, header := range map[string][]string{
		"none": nil, "unknown": {"Authorization", "Bearer x.y.z"}, "basic": {"Authorization", "Basic x"},
	} {
		if a := i.post(t, path, "", header...); a.status != http.StatusUnauthorized && a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	if n := i.ct.Size(); n != 0 {
		t.Errorf("the CT log has %d entries", n)
	}
}
