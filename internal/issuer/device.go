// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"net/http"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/hallmark-sign/hallmark/internal/admission"
)

// serveDevice serves the page for typing a user code (RFC 8628 §3.3). The code
// of verification_uri_complete is filled in, but the user must still compare
// and submit it.
func (i *Issuer) serveDevice(w http.ResponseWriter, r *http.Request) {
	query, err := parseQuery(r)
	if err != nil {
		i.refusePage(w, r, err)
		return
	}
	i.userCodePage(w, r, http.StatusOK, userCode{Code: normalUserCode(query.Get("user_code"))})
}

func (i *Issuer) userCodePage(w http.ResponseWriter, r *http.Request, status int, data userCode) {
	field, err := seal(i.sealer, forCode, i.browser(w, r), "")
	if err != nil {
		i.refusePage(w, r, err)
		return
	}
	data.Request = field
	i.pages.Write(w, status, "usercode.html", "Sign in on another device", "", data)
}

// serveUserCode handles the code and asks for a password.
func (i *Issuer) serveUserCode(w http.ResponseWriter, r *http.Request) {
	if _, err := openForm[string](i, r, forCode); err != nil {
		i.refusePage(w, r, err)
		return
	}
	code := normalUserCode(r.PostForm.Get("user_code"))
	if err := i.checkUserCode(r, code); err != nil {
		status, problem := i.pageProblem(w, r, err)
		i.userCodePage(w, r, status, userCode{Code: code, Problem: problem})
		return
	}
	field, err := seal(i.sealer, forDevice, i.browser(w, r), code)
	if err != nil {
		i.refusePage(w, r, err)
		return
	}
	i.pages.Write(w, http.StatusOK, "device.html", "Allow a device", "", deviceAnswer{Request: field, Code: code})
}

// checkUserCode checks a code and limits guesses. Errors are of type
// *admission.Throttled or match errUnknown.
func (i *Issuer) checkUserCode(r *http.Request, code string) error {
	attempt := i.throttle.attempt(admission.ClientOf(r.Context()), "")
	if err := attempt.take(); err != nil {
		return err
	}
	if !i.store.waits(code) {
		return errUnknown
	}
	attempt.succeeded()
	return nil
}

// serveDeviceAnswer handles the decision: yes with a password, no without.
func (i *Issuer) serveDeviceAnswer(w http.ResponseWriter, r *http.Request) {
	code, err := openForm[string](i, r, forDevice)
	if err != nil {
		i.refusePage(w, r, err)
		return
	}
	switch r.PostForm.Get("answer") {
	case "deny":
		err = i.store.answer(code, "")
	case "allow":
		account, problem := i.signIn(r, r.PostForm.Get("email"), r.PostForm.Get("password"))
		if problem != nil {
			status, text := i.pageProblem(w, r, problem)
			i.pages.Write(w, status, "device.html", "Allow a device", "", deviceAnswer{
				Request: r.PostForm.Get("request"), Code: code, Email: r.PostForm.Get("email"), Problem: text,
			})
			return
		}
		err = i.store.answer(code, account.Subject)
	default:
		err = errParameters
	}
	if err != nil {
		i.refusePage(w, r, err)
		return
	}
	text := "The device is signed in. You may close this page."
	if r.PostForm.Get("answer") == "deny" {
		text = "The device was refused. You may close this page."
	}
	i.pages.Write(w, http.StatusOK, "message.html", "Done", "", message{text})
}

// normalUserCode returns a typed code in the form that the device shows: RFC
// 8628 §6.1 advises to ignore case and punctuation.
func normalUserCode(text string) string {
	if len(text) > 64 {
		return ""
	}
	letters := strings.Map(func(r rune) rune {
		if strings.ContainsRune(op.CharSetBase20, r) {
			return r
		}
		return -1
	}, strings.ToUpper(text))
	if len(letters) != op.UserCodeBase20.CharAmount {
		return letters
	}
	return letters[:4] + "-" + letters[4:]
}
