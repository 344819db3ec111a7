// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hallmark-sign/hallmark/internal/issuer"
	"github.com/hallmark-sign/hallmark/internal/testkit"
)

const form = "application/x-www-form-urlencoded"

// The beginning of a login, as a client asks for it.
const authorize = "client_id=sigstore&redirect_uri=http://127.0.0.1:1/&response_type=code&scope=openid+email" +
	"&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"

// newLogin returns a victim with one account, whose password has a cheap hash.
func newLogin(t *testing.T) *victim {
	t.Helper()
	v := newVictim(t)
	dir := filepath.Join(filepath.Dir(filepath.Dir(v.TrustedRootFile)), "issuer")
	accounts := testkit.Must(issuer.OpenAccountsWith(dir, issuer.AccountsOptions{Cost: issuer.Cost{Time: 1, Memory: 64, Threads: 1}}))(t)
	if err := accounts.Add(alice, []byte("correct horse battery")); err != nil {
		t.Fatal(err)
	}
	return v
}

// signIn opens the page to sign in at, in a browser of its own, and sends it.
func (v *victim) signIn(t *testing.T, email, password string) answer {
	t.Helper()
	browser := &http.Client{
		Jar:           testkit.Must(cookiejar.New(nil))(t),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	page := read(t, testkit.Must(browser.Get(v.URL+"/login/authorize?"+authorize))(t))
	_, rest, _ := strings.Cut(page.body, `name="request" value="`)
	field, _, _ := strings.Cut(rest, `"`)
	a := read(t, testkit.Must(browser.PostForm(v.URL+"/login/password", url.Values{"request": {field}, "email": {email}, "password": {password}}))(t))
	a.body = strings.ReplaceAll(strings.ReplaceAll(a.body, field, "FIELD"), email, "EMAIL")
	return a
}

// TestUnknownAndWrongAreAlike checks that a response does not reveal whether an account
// exists: neither by its text nor by when guessing is stopped.
func TestUnknownAndWrongAreAlike(t *testing.T) {
	t.Parallel()
	v := newLogin(t)
	if a := v.signIn(t, alice, "correct horse battery"); a.status != http.StatusSeeOther {
		t.Fatalf("the right password: %d %s", a.status, a.body)
	}
	const known, unknown = alice, "malice@example.com"
	for guess := range 12 {
		wrong, nobody := v.signIn(t, known, "wrong horse battery"), v.signIn(t, unknown, "wrong horse battery")
		want := 403
		if guess >= 10 {
			want = 429
		}
		if wrong.status != want || nobody.status != want || wrong.body != nobody.body || wrong.header.Get("Retry-After") != nobody.header.Get("Retry-After") {
			t.Errorf("guess %d: wrong %d, unknown %d, want %d:\n%s\n%s", guess, wrong.status, nobody.status, want, wrong.body, nobody.body)
		}
	}
	for _, email := range []string{"Alice@example.com", " alice@example.com", "", "alice@example.com\u202e", "<b>@example.com", strings.Repeat("a", 5000)} {
		a := v.signIn(t, email, "correct horse battery")
		if a.status != 403 && a.status != 429 || strings.Contains(a.body, "<b>") {
			t.Errorf("%.40q: %d %s", email, a.status, a.body)
		}
	}
}

func TestLoginRefuses(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	for name, try := range map[string]struct {
		path, body string
		status     int
		want       string
	}{
		"nothing":           {"/login/token", "", 400, `{"error":"invalid_request","error_description":"grant_type missing"}`},
		"no client":         {"/login/token", "grant_type=authorization_code&code=x", 401, `{"error":"invalid_client","error_description":"unknown client"}`},
		"another client":    {"/login/token", "grant_type=authorization_code&code=x&client_id=other", 401, `{"error":"invalid_client","error_description":"unknown client"}`},
		"no such code":      {"/login/token", "grant_type=authorization_code&code=x&client_id=sigstore", 400, `{"error":"invalid_grant","error_description":"invalid code"}`},
		"refresh":           {"/login/token", "grant_type=refresh_token&refresh_token=x&client_id=sigstore", 400, `{"error":"unsupported_grant_type"}`},
		"password grant":    {"/login/token", "grant_type=password&username=a&password=b&client_id=sigstore", 400, `{"error":"unsupported_grant_type"}`},
		"assertion":         {"/login/token", "grant_type=authorization_code&client_assertion=eyJ", 401, `{"error":"invalid_client","error_description":"the client is public"}`},
		"twice":             {"/login/token", "grant_type=authorization_code&grant_type=refresh_token", 400, `{"error":"invalid_request","error_description":"parameters can't be read or come twice"}`},
		"NUL":               {"/login/token", "grant_type=%00", 400, `{"error":"invalid_request","error_description":"parameters can't be read or come twice"}`},
		"escape":            {"/login/token", "grant_type=%zz", 400, `{"error":"invalid_request","error_description":"parameters can't be read or come twice"}`},
		"in the query":      {"/login/token?grant_type=x", "grant_type=x", 400, `{"error":"invalid_request","error_description":"parameters can't be read or come twice"}`},
		"device, no client": {"/login/device_authorization", "scope=openid", 401, `{"error":"invalid_client"}`},
		"device, no scope":  {"/login/device_authorization", "client_id=sigstore", 400, `{"error":"invalid_scope","error_description":"scope must have openid"}`},
		"no such device":    {"/login/token", "grant_type=urn:ietf:params:oauth:grant-type:device_code&device_code=x&client_id=sigstore", 400, ""},
	} {
		a := v.post(t, try.path, form, try.body)
		checkLeaks(t, name, a)
		if a.status != try.status || try.want != "" && strings.TrimSpace(a.body) != try.want {
			t.Errorf("%s: got %d %s, want %d %s", name, a.status, a.body, try.status, try.want)
		}
	}
	for name, authorization := range map[string]string{"no Basic": "Basic !", "escape": "Basic JXp6OiV6eg==", "a secret": "Basic c2lnc3RvcmU6c2VjcmV0"} {
		a := v.post(t, "/login/token", form, "grant_type=authorization_code&code=x", "Authorization", authorization)
		checkLeaks(t, name, a)
		if a.status != 401 || !strings.HasPrefix(a.body, `{"error":"invalid_client"`) {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	for token, want := range map[string]int{"": 401, "Bearer ../../x": 401, "Bearer AAAA": 401, "Basic x": 401, "Bearer " + v.Token(t, alice): 403} {
		a := v.do(t, "GET", "/login/userinfo", "", "", "Authorization", token)
		if checkLeaks(t, token, a); a.status != want {
			t.Errorf("userinfo with %.20q: %d %s, want %d", token, a.status, a.body, want)
		}
	}
}

// TestAuthorizeRefuses checks that the login page redirects only to this machine.
func TestAuthorizeRefuses(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	for name, redirect := range map[string]string{
		"another host": "https://evil.example/", "a user": "http://127.0.0.1@evil.example/", "a suffix": "http://127.0.0.1.evil.example/",
		"a script": "javascript:alert(1)", "data": "data:text/html,x", "line break": "http://127.0.0.1:1/%0d%0aX:1", "a policy": "http://127.0.0.1:1;%20script-src%20*/",
		"a backslash": "http://127.0.0.1%5c@evil.example/", "a fragment": "http://127.0.0.1:1/%23x", "zone": "http://[::1%2525x]:1/", "none": "", "relative": "//evil.example/",
	} {
		a := v.get(t, "/login/authorize?"+strings.Replace(authorize, "http://127.0.0.1:1/", redirect, 1))
		if a.status != 400 || a.header.Get("Location") != "" || !strings.Contains(a.body, "<title>Sign-in stopped") || strings.Contains(a.body, "evil") {
			t.Errorf("%s: %d to %q", name, a.status, a.header.Get("Location"))
		}
	}
	for name, query := range map[string]string{
		"another client": strings.Replace(authorize, "sigstore", "other", 1), "twice": authorize + "&scope=openid", "escape": authorize + "&x=%zz",
		"NUL": authorize + "&state=%00", "5 KiB": authorize + "&x=" + strings.Repeat("x", 5<<10),
	} {
		if a := v.get(t, "/login/authorize?"+query); a.status != 400 || a.header.Get("Location") != "" {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	for name, try := range map[string]struct{ query, want string }{
		"a request object": {authorize + "&request=eyJhbGciOiJub25lIn0.e30.", "request_not_supported"},
		"a request's URI":  {authorize + "&request_uri=http://127.0.0.1:22/", "request_not_supported"},
		"no page":          {authorize + "&prompt=none", "login_required"},
		"plain PKCE":       {strings.Replace(authorize, "S256", "plain", 1), "invalid_request"},
		"no PKCE":          {strings.Replace(authorize, "code_challenge=", "x=", 1), "invalid_request"},
		"implicit":         {strings.Replace(authorize, "type=code", "type=id_token", 1), "unauthorized_client"},
		"not a number":     {authorize + "&max_age=x", "invalid_request"},
	} {
		a := v.get(t, "/login/authorize?"+try.query)
		where := a.header.Get("Location")
		if checkLeaks(t, name, a); a.status != 303 || !strings.HasPrefix(where, "http://127.0.0.1:1/?error="+try.want) {
			t.Errorf("%s: %d to %q", name, a.status, where)
		}
	}
}

// TestDeviceCodesWithoutEnd checks that a client that requests device codes without end does
// not keep others from getting one.
func TestDeviceCodesWithoutEnd(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	for n := range 1100 {
		if a := v.post(t, "/login/device_authorization", form, "client_id=sigstore&scope=openid+email"); a.status != 200 {
			t.Fatalf("code %d: %d %s", n, a.status, a.body)
		}
	}
}
