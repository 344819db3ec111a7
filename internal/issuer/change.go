// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"errors"
	"net/http"
)

// serveChange serves the page for changing a password.
func (i *Issuer) serveChange(w http.ResponseWriter, r *http.Request) {
	if _, err := parseQuery(r); err != nil {
		i.refusePage(w, r, err)
		return
	}
	i.changePage(w, r, http.StatusOK, passwordChange{})
}

func (i *Issuer) changePage(w http.ResponseWriter, r *http.Request, status int, data passwordChange) {
	field, err := seal(i.sealer, forChange, i.browser(w, r), "")
	if err != nil {
		i.refusePage(w, r, err)
		return
	}
	data.Request, data.Rule, data.Min = field, PasswordRule, minPassword
	i.pages.Write(w, status, "change.html", "Change your password", "", data)
}

// serveChanged handles the form of the page.
func (i *Issuer) serveChanged(w http.ResponseWriter, r *http.Request) {
	if _, err := openForm[string](i, r, forChange); err != nil {
		i.refusePage(w, r, err)
		return
	}
	form := r.PostForm
	if err := i.changePassword(r, form.Get("email"), form.Get("password"), form.Get("new_password"), form.Get("again")); err != nil {
		status, problem := i.pageProblem(w, r, err)
		i.changePage(w, r, status, passwordChange{Email: form.Get("email"), Problem: problem})
		return
	}
	i.pages.Write(w, http.StatusOK, "message.html", "Done", "", message{"You have the new password from now on. You may close this page."})
}

// changePassword changes a password, given the old one, within the limits of
// signing in. Errors are of type unfit, those of checkLogin, or those of the
// disk. errPassword may also mean that the password has changed in the
// meantime.
func (i *Issuer) changePassword(r *http.Request, email, before, after, again string) error {
	if after != again {
		return unfit("password is not the same both times")
	}
	if err := checkPassword([]byte(after)); err != nil {
		return err
	}
	account, err := i.checkLogin(r, email, before)
	if err != nil {
		return err
	}
	done, err := i.turns.take(r.Context(), true)
	if err != nil {
		return err
	}
	defer done()
	err = i.accounts.changePassword(account, []byte(after))
	if errors.Is(err, ErrNoAccount) {
		return &refusedLogin{email, errPassword}
	}
	if err == nil {
		i.logger.InfoContext(r.Context(), "password changed", "account", account.Email)
	}
	return err
}
