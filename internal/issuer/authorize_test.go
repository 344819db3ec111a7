// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hallmark-sign/hallmark/internal/testkit"
)

const verifier = "a-verifier-of-at-least-43-characters-0123456789"

func challengeOf(text string) string {
	digest := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(digest[:])
}

// asked returns a valid authorization request.
func asked() url.Values {
	return url.Values{
		"client_id": {"sigstore"}, "redirect_uri": {loopback}, "response_type": {"code"}, "scope": {"openid email"},
		"state": {"s"}, "nonce": {"n"}, "code_challenge": {challengeOf(verifier)}, "code_challenge_method": {"S256"},
	}
}

// code signs alice in and returns the authorization code.
func (r *running) code(t testing.TB) string {
	t.Helper()
	browser := browse(t)
	page := r.get(t, browser, authorizePath+"?"+asked().Encode())
	back := r.post(t, browser, passwordPath, url.Values{"request": {field(t, page)}, "email": {alice}, "password": {password}})
	to, err := back.Location()
	if err != nil {
		t.Fatalf("%s: %s", back.Status, back.body)
	}
	return to.Query().Get("code")
}

// signIn returns alice's tokens.
func (r *running) signIn(t testing.TB) (access, id string) {
	t.Helper()
	a := r.post(t, http.DefaultClient, tokenPath, redeeming(r.code(t)))
	var tokens struct {
		Access string `json:"access_token"`
		ID     string `json:"id_token"`
	}
	if err := json.Unmarshal([]byte(a.body), &tokens); err != nil || tokens.ID == "" {
		t.Fatalf("%s %s, %v", a.Status, a.body, err)
	}
	return tokens.Access, tokens.ID
}

func redeeming(code string) url.Values {
	return url.Values{
		"grant_type": {"authorization_code"}, "client_id": {"sigstore"}, "redirect_uri": {loopback},
		"code": {code}, "code_verifier": {verifier},
	}
}

// change returns form with one value replaced, or removed if it is "-".
func change(form url.Values, name, value string) url.Values {
	form = maps.Clone(form)
	form[name] = []string{value}
	if value == "-" {
		delete(form, name)
	}
	return form
}

func TestAuthorizeRefusedOnAPage(t *testing.T) {
	r := run(t)
	for _, bad := range []struct{ name, value string }{
		{"client_id", "-"}, {"client_id", "other"}, {"redirect_uri", "-"}, {"redirect_uri", "https://evil.example.com/"},
		{"redirect_uri", "http://localhost.evil.example.com/"}, {"state", strings.Repeat("s", maxQuery)}, {"state", "\xff"}, {"state", "a\x00b"},
	} {
		a := r.get(t, browse(t), authorizePath+"?"+change(asked(), bad.name, bad.value).Encode())
		if a.StatusCode != http.StatusBadRequest || a.Header.Get("Location") != "" || strings.Contains(a.body, "evil") {
			t.Errorf("%s=%.40q: %s %s", bad.name, bad.value, a.Status, a.Header.Get("Location"))
		}
	}
	for _, query := range []string{asked().Encode() + "&client_id=sigstore", asked().Encode() + "&scope=%", asked().Encode() + ";a=b"} {
		if a := r.get(t, browse(t), authorizePath+"?"+query); a.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", query, a.Status)
		}
	}
}

func TestAuthorizeRefusedAtTheClient(t *testing.T) {
	r := run(t)
	for _, bad := range []struct{ name, value, want string }{
		{"code_challenge", "-", "invalid_request"}, {"code_challenge", "short", "invalid_request"},
		{"code_challenge_method", "-", "invalid_request"}, {"code_challenge_method", "plain", "invalid_request"},
		{"code_challenge_method", "S512", "invalid_request"}, {"response_type", "-", "invalid_request"},
		{"response_type", "token", "unauthorized_client"}, {"response_type", "id_token", "unauthorized_client"},
		{"response_type", "code id_token", "unauthorized_client"}, {"scope", "-", "invalid_request"}, {"scope", "email", "invalid_scope"},
		{"response_mode", "fragment", "invalid_request"}, {"response_mode", "form_post", "invalid_request"},
		{"prompt", "none", "login_required"}, {"prompt", "none login", "invalid_request"}, {"max_age", "-1", "invalid_request"},
		{"request", "eyJhbGciOiJub25lIn0.e30.", "request_not_supported"}, {"request_uri", "https://evil.example.com/", "request_not_supported"},
	} {
		a := r.get(t, browse(t), authorizePath+"?"+change(asked(), bad.name, bad.value).Encode())
		to, err := a.Location()
		if err != nil || a.StatusCode != http.StatusSeeOther {
			t.Errorf("%s=%q: %s", bad.name, bad.value, a.Status)
			continue
		}
		query := to.Query()
		if !strings.HasPrefix(to.String(), loopback+"?") || query.Get("error") != bad.want || query.Get("state") != "s" || query.Has("code") {
			t.Errorf("%s=%q: %s", bad.name, bad.value, to)
		}
	}
}

func TestRedirects(t *testing.T) {
	for _, good := range []string{
		"http://localhost/", "http://localhost:1234/auth/callback", "http://127.0.0.1:1/", "http://127.0.0.1:65535/a/b", "http://localhost:80",
	} {
		if !isLoopbackRedirect(good) {
			t.Errorf("%s was refused", good)
		}
	}
	for _, bad := range []string{
		"", "/", "//localhost/", "localhost", "https://localhost/", "http://localhost.example.com/", "http://127.0.0.1.example.com/",
		"http://localhost@evil.example.com/", "http://evil.example.com@localhost/", "http://evil.example.com/#@localhost/",
		"http://127.0.0.2/", "http://[::1]/", "http://2130706433/", "http://0x7f.1/", "http://LOCALHOST/\\evil", "http://localhost/?x=1",
		"http://localhost/#x", "http://localhost\\@evil.example.com/", "http://localhost:99x/", "javascript:alert(1)//localhost", "http://localhost /",
		"http://localhost\n.evil/", "HTTP://localhost/", "http://localhost/" + strings.Repeat("a", maxRedirect), "http:localhost/", "http:///localhost/",
	} {
		if isLoopbackRedirect(bad) {
			t.Errorf("%q was taken", bad)
		}
	}
}

// TestWrongPasswordAndUnknownAddress checks that both get the same response, except for the
// address in it.
func TestWrongPasswordAndUnknownAddress(t *testing.T) {
	r := run(t)
	browser := browse(t)
	page := r.get(t, browser, authorizePath+"?"+asked().Encode())
	try := func(email, password string) string {
		a := r.post(t, browser, passwordPath, url.Values{"request": {field(t, page)}, "email": {email}, "password": {password}})
		if a.StatusCode != http.StatusForbidden || a.Header.Get("Location") != "" {
			t.Errorf("%s: %s", email, a.Status)
		}
		return strings.ReplaceAll(a.body, email, "EMAIL")
	}
	wrong := try(alice, "something else entirely")
	for _, email := range []string{"bob@example.com", "alice@example.org", "ALICE@example.com"} {
		if got := try(email, password); got != wrong {
			t.Errorf("%s: the page differs: %s", email, got)
		}
	}
	if !strings.Contains(wrong, "Email or password is wrong.") || strings.Contains(wrong, "entirely") {
		t.Error(wrong)
	}
}

func TestEmailIsEscaped(t *testing.T) {
	r := run(t)
	browser := browse(t)
	page := r.get(t, browser, authorizePath+"?"+asked().Encode())
	a := r.post(t, browser, passwordPath, url.Values{"request": {field(t, page)}, "email": {`"><script>alert(1)</script>`}, "password": {"x"}})
	if strings.Contains(a.body, "<script") {
		t.Error(a.body)
	}
}

func TestFormsOfOthers(t *testing.T) {
	r := run(t)
	browser, stranger := browse(t), browse(t)
	page := r.get(t, browser, authorizePath+"?"+asked().Encode())
	r.get(t, stranger, devicePath) // has a cookie of its own
	good := url.Values{"request": {field(t, page)}, "email": {alice}, "password": {password}}
	refused := func(what string, a answer, want int) {
		t.Helper()
		if a.StatusCode != want || a.Header.Get("Location") != "" {
			t.Errorf("%s: %s", what, a.Status)
		}
	}
	refused("no cookie", r.post(t, http.DefaultClient, passwordPath, good), http.StatusForbidden)
	refused("another browser", r.post(t, stranger, passwordPath, good), http.StatusForbidden)
	refused("no field", r.post(t, browser, passwordPath, change(good, "request", "-")), http.StatusForbidden)
	refused("another page's field", r.post(t, browser, passwordPath, change(good, "request", field(t, r.get(t, browser, devicePath)))), http.StatusForbidden)
	sealed := []byte(field(t, page))
	for i := 0; i < len(sealed); i += 17 {
		bad := []byte(string(sealed))
		bad[i] ^= 1
		refused("a mangled field", r.post(t, browser, passwordPath, change(good, "request", string(bad))), http.StatusForbidden)
	}
	for name, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example.com"} {
		req, err := http.NewRequest(http.MethodPost, r.url+passwordPath, strings.NewReader(good.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set(name, value)
		resp, err := browser.Do(req)
		refused(name, read(t, resp, err), http.StatusForbidden)
	}
	r.pass(formLife + time.Minute)
	refused("an old page", r.post(t, browser, passwordPath, good), http.StatusForbidden)
}

func TestFormsOutOfForm(t *testing.T) {
	r := run(t)
	long := url.Values{"password": {strings.Repeat("x", maxBody)}}.Encode()
	for _, path := range []string{passwordPath, tokenPath, deviceAuthorizationPath, devicePath, deviceAnswerPath} {
		for _, bad := range []struct {
			mediaType, body, query string
			want                   int
		}{
			{"application/json", "{}", "", http.StatusUnsupportedMediaType},
			{"", "a=b", "", http.StatusUnsupportedMediaType},
			{"multipart/form-data; boundary=x", "--x--", "", http.StatusUnsupportedMediaType},
			{"application/x-www-form-urlencoded", long, "", http.StatusRequestEntityTooLarge},
			{"application/x-www-form-urlencoded", "a=%zz", "", http.StatusBadRequest},
			{"application/x-www-form-urlencoded", "a=b&a=b", "", http.StatusBadRequest},
			{"application/x-www-form-urlencoded", "a=%ff", "", http.StatusBadRequest},
			{"application/x-www-form-urlencoded", "a=b", "?code=x", http.StatusBadRequest},
		} {
			resp, err := browse(t).Post(r.url+path+bad.query, bad.mediaType, strings.NewReader(bad.body))
			if a := read(t, resp, err); a.StatusCode != bad.want {
				t.Errorf("%s with %s %.20q: %s", path, bad.mediaType, bad.body, a.Status)
			}
		}
		if path == devicePath {
			continue // has a page
		}
		if a := r.get(t, http.DefaultClient, path); a.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("GET %s: %s", path, a.Status)
		}
	}
}

func TestHeaders(t *testing.T) {
	r := run(t)
	for _, path := range []string{authorizePath + "?" + asked().Encode(), authorizePath, devicePath, changePath, keysPath, tokenPath, "/login/nowhere"} {
		a := r.get(t, browse(t), path)
		policy := a.Header.Get("Content-Security-Policy")
		if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("X-Content-Type-Options") != "nosniff" ||
			!strings.HasPrefix(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: %v", path, a.Header)
		}
		for _, cookie := range a.Cookies() {
			if !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode {
				t.Errorf("%s: %v", path, cookie)
			}
		}
		if strings.Contains(a.body, "<script") || strings.Contains(a.body, " onclick") || strings.Contains(a.body, "style=") {
			t.Errorf("%s: %s", path, a.body)
		}
	}
}

func TestCookiesOfHTTPS(t *testing.T) {
	i, err := New(Options{URL: "https://login.example.com", RSA: rsaKey(), ECDSA: testkit.P256(t), Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	w := newRecorder(t, i, authorizePath+"?"+asked().Encode())
	cookies := w.Cookies()
	if len(cookies) != 1 || cookies[0].Name != "__Host-hallmark-login" || !cookies[0].Secure || cookies[0].Path != "/" || cookies[0].Domain != "" {
		t.Errorf("%v", cookies)
	}
}

func TestGuessingIsSlowed(t *testing.T) {
	r := run(t)
	browser := browse(t)
	page := r.get(t, browser, authorizePath+"?"+asked().Encode())
	try := func(email, password string) answer {
		return r.post(t, browser, passwordPath, url.Values{"request": {field(t, page)}, "email": {email}, "password": {password}})
	}
	for _, email := range []string{alice, "nobody@example.com"} {
		for n := range testLimits().Account.Burst {
			if a := try(email, "wrong"); a.StatusCode != http.StatusForbidden {
				t.Fatalf("%s, attempt %d: %s", email, n, a.Status)
			}
		}
		if a := try(email, password); a.StatusCode != http.StatusTooManyRequests || a.Header.Get("Retry-After") != "30" {
			t.Errorf("%s: %s %v", email, a.Status, a.Header)
		}
	}
	r.pass(testLimits().Account.Pause)
	if a := try(alice, password); a.StatusCode != http.StatusSeeOther {
		t.Errorf("after the pause: %s", a.Status)
	}
	for range 20 { // successful sign-ins are not slowed down
		if a := try(alice, password); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("a loop of sign-ins: %s", a.Status)
		}
	}
}

// signInFrom tries to sign in at an address, and returns the status.
func (r *running) signInFrom(t *testing.T, address, password string) int {
	t.Helper()
	browser := from(t, address)
	page := r.get(t, browser, authorizePath+"?"+asked().Encode())
	return r.post(t, browser, passwordPath, url.Values{"request": {field(t, page)}, "email": {alice}, "password": {password}}).StatusCode
}

// TestGuessingFromElsewhere checks that guessing a password delays only the address that
// guesses. Guesses from many addresses delay the owner too, but only at addresses where she
// has never signed in.
func TestGuessingFromElsewhere(t *testing.T) {
	r := run(t)
	const home = "192.0.2.1"
	if status := r.signInFrom(t, home, password); status != http.StatusSeeOther {
		t.Fatalf("at home: %d", status)
	}
	for n := range testLimits().Account.Burst + 1 {
		want := http.StatusForbidden
		if n == testLimits().Account.Burst {
			want = http.StatusTooManyRequests
		}
		if status := r.signInFrom(t, "2001:db8::1", "wrong"); status != want {
			t.Errorf("guess %d: %d", n, status)
		}
	}
	if status := r.signInFrom(t, "2001:db8::2", password); status != http.StatusTooManyRequests {
		t.Errorf("another address of the same /64: %d", status)
	}
	if status := r.signInFrom(t, "192.0.2.2", password); status != http.StatusSeeOther {
		t.Errorf("another address: %d", status)
	}
	for n := range testLimits().AllAccount.Burst {
		r.signInFrom(t, fmt.Sprintf("198.51.100.%d", n), "wrong")
	}
	if status := r.signInFrom(t, "203.0.113.1", password); status != http.StatusTooManyRequests {
		t.Errorf("at an address without sign-in before: %d", status)
	}
	if status := r.signInFrom(t, home, password); status != http.StatusSeeOther {
		t.Errorf("at home, after guesses from many addresses: %d", status)
	}
	for _, want := range []string{"status=429", "account=" + alice, `cause="too many wrong passwords for this account, wait 10s"`} {
		if !strings.Contains(r.log.String(), want) {
			t.Errorf("log has no %s", want)
		}
	}
}

// TestNoPasswordAsAccountInLog checks that a password typed into the field for the address is
// not logged.
func TestNoPasswordAsAccountInLog(t *testing.T) {
	r := run(t)
	browser := browse(t)
	page := r.get(t, browser, authorizePath+"?"+asked().Encode())
	r.post(t, browser, passwordPath, url.Values{"request": {field(t, page)}, "email": {password}, "password": {password}})
	if log := r.log.String(); strings.Contains(log, password) || !strings.Contains(log, "not an email address") {
		t.Error(log)
	}
}

// TestTurns checks that passwords are hashed one at a time, that sign-ins from familiar
// addresses come first, and that the number of waiting ones is bounded.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q turns
		done, err := q.take(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		order := make(chan bool, 2)
		for _, familiar := range []bool{false, true} {
			go func() {
				done, err := q.take(t.Context(), familiar)
				if err != nil {
					t.Error(err)
					return
				}
				order <- familiar
				done()
			}()
			synctest.Wait()
		}
		done()
		if first := <-order; !first {
			t.Error("an unfamiliar address comes first")
		}
		<-order
		done, err = q.take(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		for range maxWaiting {
			go func() {
				if _, err := q.take(t.Context(), false); !errors.Is(err, errBusy) {
					t.Errorf("after five seconds: %v", err)
				}
			}()
		}
		synctest.Wait()
		begun := time.Now()
		if _, err := q.take(t.Context(), false); !errors.Is(err, errBusy) || time.Since(begun) > 0 {
			t.Errorf("one more waits: %v", err)
		}
		time.Sleep(hashTimeout)
		synctest.Wait()
		done()
		if _, err := q.take(t.Context(), false); err != nil || len(q.lines[0])+len(q.lines[1]) > 0 {
			t.Errorf("after all: %v", err)
		}
	})
}

// TestOutOfBand checks the sign-in of clients that can't be redirected to: the page shows the
// code.
func TestOutOfBand(t *testing.T) {
	r := run(t)
	browser := browse(t)
	page := r.get(t, browser, authorizePath+"?"+change(asked(), "redirect_uri", outOfBand).Encode())
	shown := r.post(t, browser, passwordPath, url.Values{"request": {field(t, page)}, "email": {alice}, "password": {password}})
	found := regexp.MustCompile(`<output class="code" id="code">([^<]+)</output>`).FindStringSubmatch(shown.body)
	if shown.StatusCode != http.StatusOK || found == nil {
		t.Fatalf("%s %s", shown.Status, shown.body)
	}
	r.pass(pastedCodeLife - time.Second)
	refused(t, "another redirect", r.post(t, http.DefaultClient, tokenPath, redeeming(found[1])), http.StatusBadRequest, "invalid_grant")

	shown = r.post(t, browser, passwordPath, url.Values{"request": {field(t, page)}, "email": {alice}, "password": {password}})
	found = regexp.MustCompile(`id="code">([^<]+)<`).FindStringSubmatch(shown.body)
	if found == nil {
		t.Fatalf("%s %s", shown.Status, shown.body)
	}
	r.pass(pastedCodeLife - time.Second)
	a := r.post(t, http.DefaultClient, tokenPath, change(redeeming(found[1]), "redirect_uri", outOfBand))
	if a.StatusCode != http.StatusOK || !strings.Contains(a.body, `"id_token"`) {
		t.Errorf("%s %s", a.Status, a.body)
	}
	wrong := r.get(t, browser, authorizePath+"?"+change(change(asked(), "redirect_uri", outOfBand), "code_challenge", "-").Encode())
	if wrong.StatusCode != http.StatusBadRequest || wrong.Header.Get("Location") != "" || !strings.Contains(wrong.body, "code_challenge") {
		t.Errorf("without PKCE: %s %s", wrong.Status, wrong.body)
	}
}
