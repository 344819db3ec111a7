// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"context"
	"net/http"
	"slices"
	"strings"

	httphelper "github.com/zitadel/oidc/v3/pkg/http"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/hallmark-sign/hallmark/internal/admission"
)

// serveToken serves the token endpoint (RFC 6749 §3.2).
func (i *Issuer) serveToken(w http.ResponseWriter, r *http.Request) {
	answer, err := i.exchange(r)
	if err != nil {
		i.refuseJSON(w, r, err)
		return
	}
	httphelper.MarshalJSON(w, answer)
}

func (i *Issuer) exchange(r *http.Request) (*oidc.AccessTokenResponse, error) {
	if err := checkClientForm(r); err != nil {
		return nil, err
	}
	switch oidc.GrantType(r.PostForm.Get("grant_type")) {
	case oidc.GrantTypeCode:
		return i.exchangeCode(r)
	case oidc.GrantTypeDeviceCode:
		return i.exchangeDeviceCode(r)
	case "":
		return nil, oidc.ErrInvalidRequest().WithDescription("grant_type missing")
	default:
		return nil, oidc.ErrUnsupportedGrantType()
	}
}

// checkClientForm reads a client's form. Since the client is public, a client
// assertion is refused without being parsed.
func checkClientForm(r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	if r.PostForm.Has("client_assertion") || r.PostForm.Has("client_assertion_type") {
		return oidc.ErrInvalidClient().WithDescription("the client is public")
	}
	return nil
}

// exchangeCode returns tokens for a code (RFC 6749 §4.1.3, RFC 7636 §4.5).
func (i *Issuer) exchangeCode(r *http.Request) (*oidc.AccessTokenResponse, error) {
	in, err := op.ParseAccessTokenRequest(r, i.provider.Decoder())
	if err != nil {
		return nil, err
	}
	// The ID is all that authenticates a client without secret. It is checked
	// first, so that another client's request does not use up the code.
	if err := i.store.AuthorizeClientIDSecret(r.Context(), in.ClientID, in.ClientSecret); err != nil {
		return nil, oidc.ErrInvalidClient().WithDescription("unknown client")
	}
	request, c, err := op.ValidateAccessTokenRequest(r.Context(), in, i.provider)
	if err != nil {
		return nil, err
	}
	return op.CreateTokenResponse(context.WithValue(r.Context(), forClient{}, in.ClientID), request, c, i.provider, true, in.Code, "")
}

// exchangeDeviceCode handles a device's poll (RFC 8628 §3.4).
func (i *Issuer) exchangeDeviceCode(r *http.Request) (*oidc.AccessTokenResponse, error) {
	id, _, err := op.ClientIDFromRequest(r, i.provider)
	if err != nil {
		return nil, err
	}
	c, err := i.store.GetClientByClientID(r.Context(), id)
	if err != nil {
		return nil, err
	}
	in, err := op.ParseDeviceAccessTokenRequest(r, i.provider)
	if err != nil {
		return nil, err
	}
	state, err := op.CheckDeviceAuthorizationState(r.Context(), id, in.DeviceCode, i.provider)
	if err != nil {
		return nil, err
	}
	return op.CreateDeviceTokenResponse(context.WithValue(r.Context(), forClient{}, id), state, i.provider, c)
}

// serveDeviceAuthorization begins the device flow (RFC 8628 §3.1).
func (i *Issuer) serveDeviceAuthorization(w http.ResponseWriter, r *http.Request) {
	err := checkClientForm(r)
	if err == nil && !slices.Contains(strings.Split(r.PostForm.Get("scope"), " "), oidc.ScopeOpenID) {
		err = oidc.ErrInvalidScope().WithDescription("scope must have openid")
	}
	if err == nil {
		err = i.throttle.devices.Take(admission.ClientOf(r.Context()).Key())
	}
	if err == nil {
		err = op.DeviceAuthorization(w, r, i.provider)
	}
	if err != nil {
		i.refuseJSON(w, r, err)
	}
}
