// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	coreos "github.com/coreos/go-oidc/v3/oidc"

	"github.com/hallmark-sign/hallmark/internal/admission"
)

func newRecorder(t testing.TB, i *Issuer, target string) *http.Response {
	t.Helper()
	w := httptest.NewRecorder()
	i.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	return w.Result()
}

// refused checks an error response of RFC 6749 §5.2.
func refused(t *testing.T, what string, a answer, status int, code string) {
	t.Helper()
	if a.StatusCode != status || !strings.Contains(a.body, `"error":"`+code+`"`) || strings.Contains(a.body, "token\":") {
		t.Errorf("%s: %s %s", what, a.Status, a.body)
	}
}

func TestCodesRefused(t *testing.T) {
	r := run(t)
	for _, bad := range []struct {
		name, value string
		status      int
		code        string
	}{
		{"code", "-", http.StatusBadRequest, "invalid_grant"},
		{"code", "nonsense", http.StatusBadRequest, "invalid_grant"},
		{"code_verifier", "-", http.StatusBadRequest, "invalid_request"},
		{"code_verifier", verifier + "x", http.StatusBadRequest, "invalid_grant"},
		{"code_verifier", challengeOf(verifier), http.StatusBadRequest, "invalid_grant"},
		{"redirect_uri", "-", http.StatusBadRequest, "invalid_grant"},
		{"redirect_uri", loopback + "/", http.StatusBadRequest, "invalid_grant"},
		{"client_id", "-", http.StatusUnauthorized, "invalid_client"},
		{"client_id", "other", http.StatusUnauthorized, "invalid_client"},
		{"client_secret", "secret", http.StatusUnauthorized, "invalid_client"},
		{"client_assertion", "eyJ", http.StatusUnauthorized, "invalid_client"},
		{"grant_type", "-", http.StatusBadRequest, "invalid_request"},
		{"grant_type", "password", http.StatusBadRequest, "unsupported_grant_type"},
		{"grant_type", "refresh_token", http.StatusBadRequest, "unsupported_grant_type"},
		{"grant_type", "client_credentials", http.StatusBadRequest, "unsupported_grant_type"},
		{"grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer", http.StatusBadRequest, "unsupported_grant_type"},
		{"grant_type", "urn:ietf:params:oauth:grant-type:token-exchange", http.StatusBadRequest, "unsupported_grant_type"},
	} {
		a := r.post(t, http.DefaultClient, tokenPath, change(redeeming(r.code(t)), bad.name, bad.value))
		refused(t, bad.name+"="+bad.value, a, bad.status, bad.code)
	}
}

func TestCodesServeOnce(t *testing.T) {
	r := run(t)
	code := r.code(t)
	var served atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			resp, err := http.PostForm(r.url+tokenPath, redeeming(code))
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				served.Add(1)
			}
		})
	}
	wg.Wait()
	if served.Load() != 1 {
		t.Errorf("served %d times", served.Load())
	}
	code = r.code(t)
	refused(t, "wrong verifier", r.post(t, http.DefaultClient, tokenPath, change(redeeming(code), "code_verifier", verifier+"x")), http.StatusBadRequest, "invalid_grant")
	refused(t, "after it", r.post(t, http.DefaultClient, tokenPath, redeeming(code)), http.StatusBadRequest, "invalid_grant")
	code = r.code(t)
	r.pass(codeLife + time.Second)
	refused(t, "an old code", r.post(t, http.DefaultClient, tokenPath, redeeming(code)), http.StatusBadRequest, "invalid_grant")
}

func TestAccountRemovedBeforeItsToken(t *testing.T) {
	r := run(t)
	code := r.code(t)
	if err := openCheap(t, r.accounts.dir).Remove(alice); err != nil { // as another process
		t.Fatal(err)
	}
	refused(t, "gone", r.post(t, http.DefaultClient, tokenPath, redeeming(code)), http.StatusBadRequest, "invalid_grant")
}

func TestAccountAddedWhileRunning(t *testing.T) {
	r := run(t)
	if err := openCheap(t, r.accounts.dir).Add("bob@example.com", []byte(password)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.accounts.authenticate("bob@example.com", []byte(password)); err != nil {
		t.Error(err)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	now := time.Now()
	m := newMemory(func() time.Time { return now })
	for n := range maxCodes {
		if err := m.addCode(fmt.Sprint(n), new(authRequest)); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.addCode("more", new(authRequest)); !errors.Is(err, errFull) {
		t.Errorf("codes: %v", err)
	}
	for n := range maxDevices {
		if err := m.addDevice(fmt.Sprint(n), &device{code: fmt.Sprint(n), expires: now.Add(deviceLife)}); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(time.Second)
	if _, err := m.poll("", "0"); err != nil {
		t.Fatal(err)
	}
	for n := range 1000 {
		code := fmt.Sprint("more", n)
		if err := m.addDevice(code, &device{code: code, expires: now.Add(deviceLife)}); err != nil {
			t.Fatal(err)
		}
	}
	if len(m.devices) != maxDevices || m.devices["0"] == nil {
		t.Errorf("%d devices, the one that asks is there: %v", len(m.devices), m.devices["0"] != nil)
	}
	now = now.Add(deviceLife + time.Second)
	if err := m.addCode("more", new(authRequest)); err != nil || len(m.codes) != 1 {
		t.Errorf("expired codes stay: %d, %v", len(m.codes), err)
	}
	if err := m.addDevice("more", &device{code: "more"}); err != nil || len(m.devices) != 1 || len(m.users) != 1 {
		t.Errorf("expired devices stay: %d, %d, %v", len(m.devices), len(m.users), err)
	}
}

func TestFamiliarIsBounded(t *testing.T) {
	h := newThrottle(testLimits(), time.Now)
	for n := range 2 * maxFamiliar {
		h.attempt(admission.Client{}, fmt.Sprint(n)).succeeded()
	}
	if len(h.familiar) > maxFamiliar {
		t.Errorf("%d are remembered", len(h.familiar))
	}
}

// TestDevicesOfOneAddress checks that sign-ins of devices are limited by address, and that
// other addresses are not affected.
func TestDevicesOfOneAddress(t *testing.T) {
	r := run(t)
	begin := func(address string) answer {
		return r.post(t, from(t, address), deviceAuthorizationPath, url.Values{"client_id": {"sigstore"}, "scope": {"openid"}})
	}
	for range testLimits().Devices.Burst {
		if a := begin("192.0.2.1"); a.StatusCode != http.StatusOK {
			t.Fatal(a.Status)
		}
	}
	a := begin("192.0.2.1")
	refused(t, "one more", a, http.StatusTooManyRequests, "slow_down")
	if a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if a := begin("192.0.2.2"); a.StatusCode != http.StatusOK {
		t.Errorf("another address: %s", a.Status)
	}
}

// started returns the codes of a waiting device.
func (r *running) started(t *testing.T) (deviceCode, userCode string) {
	t.Helper()
	a := r.post(t, http.DefaultClient, deviceAuthorizationPath, url.Values{"client_id": {"sigstore"}, "scope": {"openid email"}})
	values := map[string]string{}
	for _, name := range []string{"device_code", "user_code", "verification_uri"} {
		_, rest, _ := strings.Cut(a.body, `"`+name+`":"`)
		values[name], _, _ = strings.Cut(rest, `"`)
	}
	if a.StatusCode != http.StatusOK || values["verification_uri"] != r.url+devicePath || values["device_code"] == "" {
		t.Fatalf("%s %s", a.Status, a.body)
	}
	return values["device_code"], values["user_code"]
}

func (r *running) poll(t *testing.T, deviceCode string) answer {
	t.Helper()
	r.pass(pollInterval)
	return r.post(t, http.DefaultClient, tokenPath, polling(deviceCode))
}

func polling(deviceCode string) url.Values {
	return url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "client_id": {"sigstore"}, "device_code": {deviceCode},
	}
}

// confirm returns the page that asks whether to allow the device.
func (r *running) confirm(t *testing.T, browser *http.Client, userCode string) answer {
	t.Helper()
	page := r.get(t, browser, devicePath+"?user_code="+userCode)
	return r.post(t, browser, devicePath, url.Values{"request": {field(t, page)}, "user_code": {strings.ToLower(strings.ReplaceAll(userCode, "-", " "))}})
}

func TestDeviceAllowed(t *testing.T) {
	r := run(t)
	deviceCode, userCode := r.started(t)
	refused(t, "not confirmed", r.poll(t, deviceCode), http.StatusBadRequest, "authorization_pending")
	refused(t, "at once again", r.post(t, http.DefaultClient, tokenPath, polling(deviceCode)), http.StatusBadRequest, "slow_down")
	browser := browse(t)
	page := r.confirm(t, browser, userCode)
	if !strings.Contains(page.body, userCode) {
		t.Error("the page does not show the code")
	}
	form := url.Values{"request": {field(t, page)}, "email": {alice}, "password": {"wrong"}, "answer": {"allow"}}
	if a := r.post(t, browser, deviceAnswerPath, form); a.StatusCode != http.StatusForbidden {
		t.Errorf("wrong password: %s", a.Status)
	}
	if a := r.post(t, browser, deviceAnswerPath, change(change(form, "password", password), "answer", "-")); a.StatusCode != http.StatusBadRequest {
		t.Errorf("no answer: %s", a.Status)
	}
	refused(t, "not yet", r.poll(t, deviceCode), http.StatusBadRequest, "authorization_pending")
	if a := r.post(t, browser, deviceAnswerPath, change(form, "password", password)); a.StatusCode != http.StatusOK {
		t.Errorf("allowed: %s", a.Status)
	}
	if a := r.poll(t, deviceCode); a.StatusCode != http.StatusOK || !strings.Contains(a.body, `"id_token":"eyJ`) {
		t.Errorf("%s %s", a.Status, a.body)
	}
	refused(t, "twice", r.poll(t, deviceCode), http.StatusBadRequest, "access_denied")
	if a := r.post(t, browser, deviceAnswerPath, change(form, "password", password)); a.StatusCode != http.StatusNotFound {
		t.Errorf("answered twice: %s", a.Status)
	}
}

func TestDeviceDenied(t *testing.T) {
	r := run(t)
	deviceCode, userCode := r.started(t)
	browser := browse(t)
	page := r.confirm(t, browser, userCode)
	if a := r.post(t, browser, deviceAnswerPath, url.Values{"request": {field(t, page)}, "answer": {"deny"}}); a.StatusCode != http.StatusOK {
		t.Errorf("%s", a.Status)
	}
	refused(t, "denied", r.poll(t, deviceCode), http.StatusBadRequest, "access_denied")
}

func TestDeviceExpires(t *testing.T) {
	r := run(t)
	deviceCode, userCode := r.started(t)
	r.pass(deviceLife + time.Second)
	if a := r.confirm(t, browse(t), userCode); a.StatusCode != http.StatusNotFound {
		t.Errorf("an old user code: %s", a.Status)
	}
	if a := r.poll(t, deviceCode); a.StatusCode != http.StatusBadRequest || strings.Contains(a.body, "id_token") {
		t.Errorf("%s %s", a.Status, a.body)
	}
}

func TestDevicesRefused(t *testing.T) {
	r := run(t)
	good := url.Values{"client_id": {"sigstore"}, "scope": {"openid"}}
	for _, bad := range []struct {
		name, value string
		status      int
		code        string
	}{
		{"client_id", "-", http.StatusUnauthorized, "invalid_client"}, {"client_id", "other", http.StatusUnauthorized, "invalid_client"},
		{"scope", "-", http.StatusBadRequest, "invalid_scope"}, {"scope", "email", http.StatusBadRequest, "invalid_scope"},
	} {
		a := r.post(t, http.DefaultClient, deviceAuthorizationPath, change(good, bad.name, bad.value))
		refused(t, bad.name+"="+bad.value, a, bad.status, bad.code)
	}
	deviceCode, _ := r.started(t)
	for name, value := range map[string]string{"client_id": "other", "device_code": "nonsense"} {
		a := r.post(t, http.DefaultClient, tokenPath, change(polling(deviceCode), name, value))
		if a.StatusCode < 400 || strings.Contains(a.body, "id_token") {
			t.Errorf("%s: %s %s", name, a.Status, a.body)
		}
	}
	browser := browse(t)
	for n := range 4 * guesses().Burst { // guessing, for longer than it takes to get new ones
		page := r.get(t, browser, devicePath)
		a := r.post(t, browser, devicePath, url.Values{"request": {field(t, page)}, "user_code": {"BCDF-GHJK"}})
		if want := http.StatusNotFound; a.StatusCode != want && a.StatusCode != http.StatusTooManyRequests {
			t.Fatalf("guess %d: %s", n, a.Status)
		} else if a.StatusCode == http.StatusTooManyRequests {
			return
		}
	}
	t.Error("guesses at user codes are not slowed")
}

// TestES256Client checks that a client gets tokens for its own ID and for sigstore, signed
// with its algorithm, and that other clients can't use its codes.
func TestES256Client(t *testing.T) {
	r := run(t)
	browser := browse(t)
	code := func(client string) string {
		page := r.get(t, browser, authorizePath+"?"+change(asked(), "client_id", client).Encode())
		back := r.post(t, browser, passwordPath, url.Values{"request": {field(t, page)}, "email": {alice}, "password": {password}})
		to, err := back.Location()
		if err != nil {
			t.Fatalf("%s: %s", back.Status, back.body)
		}
		return to.Query().Get("code")
	}
	for client, want := range map[string]struct {
		algorithm string
		audience  []string
	}{"sigstore": {"RS256", []string{"sigstore"}}, "es256": {"ES256", []string{"es256", "sigstore"}}} {
		a := r.post(t, http.DefaultClient, tokenPath, change(redeeming(code(client)), "client_id", client))
		var tokens struct {
			ID string `json:"id_token"`
		}
		if err := json.Unmarshal([]byte(a.body), &tokens); err != nil {
			t.Fatalf("%s %s, %v", a.Status, a.body, err)
		}
		provider, err := coreos.NewProvider(t.Context(), r.url)
		if err != nil {
			t.Fatal(err)
		}
		token, err := provider.Verifier(&coreos.Config{ClientID: client, SupportedSigningAlgs: []string{want.algorithm}}).Verify(t.Context(), tokens.ID)
		if err != nil || !slices.Equal(token.Audience, want.audience) {
			t.Errorf("%s: %+v, %v", client, token, err)
		}
	}
	refused(t, "another client's code", r.post(t, http.DefaultClient, tokenPath, redeeming(code("es256"))), http.StatusBadRequest, "invalid_grant")
	a := r.get(t, browser, authorizePath+"?"+change(asked(), "client_id", "stranger").Encode())
	if a.StatusCode != http.StatusBadRequest || !strings.Contains(a.body, "not known") {
		t.Errorf("an unknown client: %s %s", a.Status, a.body)
	}
}
