// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"embed"
	"net/http"
)

//go:embed pages
var pageFiles embed.FS

// Data of the pages.
type (
	signIn         struct{ Request, Email, Problem string }
	userCode       struct{ Request, Code, Problem string }
	deviceAnswer   struct{ Request, Code, Email, Problem string }
	message        struct{ Text string }
	code           struct{ Code string }
	passwordChange struct {
		Request, Email, Problem string
		Rule                    string
		Min                     int
	}
)

// signInPage allows the form to redirect to the client, because browsers apply
// form-action to the redirect after a form too.
func (i *Issuer) signInPage(w http.ResponseWriter, status int, r *authRequest, data signIn) {
	i.pages.Write(w, status, "signin.html", "Sign in", origin(r.RedirectURI), data)
}
