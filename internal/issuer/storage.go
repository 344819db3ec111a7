// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// errNotOffered is the error of unsupported features of the library.
var errNotOffered = errors.New("not offered by this issuer")

// A store provides memory, accounts and keys to the library. It implements
// op.Storage and op.DeviceAuthorizationStorage.
type store struct {
	*memory
	accounts *Accounts
	keys     signingKeys
	audience string            // audience of all tokens
	clients  map[string]client // by id
}

// forClient is the context key of the client whose token is created.
type forClient struct{}

// GetClientByClientID returns a configured client.
func (s *store) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	c, ok := s.clients[id]
	if !ok {
		return nil, oidc.ErrInvalidClient().WithDescription("unknown client")
	}
	return c, nil
}

// AuthorizeClientIDSecret accepts an empty secret of a public client, which
// golang.org/x/oauth2 sends in an Authorization header.
func (s *store) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	if _, ok := s.clients[id]; !ok || secret != "" {
		return errors.New("unknown client, or a secret for a public one")
	}
	return nil
}

// AuthRequestByCode returns and removes the request of a code.
func (s *store) AuthRequestByCode(_ context.Context, code string) (op.AuthRequest, error) {
	if err := s.readyFor(code); err != nil {
		return nil, err
	}
	r, err := s.takeCode(code)
	if err != nil {
		return nil, err // not a typed nil
	}
	return r, nil
}

// readyFor keeps a code, which can be used once, while its account can't be
// read. Errors match errAccounts.
func (s *store) readyFor(code string) error {
	if !s.holds(code) {
		return nil
	}
	_, err := s.accounts.read()
	return err
}

// CreateAccessToken returns a token for the userinfo endpoint. Its ID is its
// expiry.
func (s *store) CreateAccessToken(context.Context, op.TokenRequest) (string, time.Time, error) {
	end := time.Now().Add(tokenLife)
	return strconv.FormatInt(end.Unix(), 10), end, nil
}

// SetUserinfoFromScopes adds the claims of the account to an ID token.
func (s *store) SetUserinfoFromScopes(_ context.Context, info *oidc.UserInfo, subject, _ string, scopes []string) error {
	account, err := s.accounts.bySubject(subject)
	if errors.Is(err, ErrNoAccount) {
		return oidc.ErrInvalidGrant().WithDescription("the account was removed")
	}
	if err != nil {
		return err
	}
	info.Subject = subject // the library would leave sub empty
	if slices.Contains(scopes, oidc.ScopeEmail) {
		info.Email, info.EmailVerified = account.Email, true
	}
	return nil
}

// SetUserinfoFromToken serves the userinfo endpoint. id is that of
// CreateAccessToken.
func (s *store) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, id, subject, _ string) error {
	end, err := strconv.ParseInt(id, 10, 64)
	if err != nil || time.Now().Unix() > end {
		return oidc.ErrAccessDenied().WithDescription("access token is not valid")
	}
	return s.SetUserinfoFromScopes(ctx, info, subject, "", []string{oidc.ScopeEmail})
}

// SigningKey returns the key for tokens of the client that ctx names.
func (s *store) SigningKey(ctx context.Context) (op.SigningKey, error) {
	id, _ := ctx.Value(forClient{}).(string)
	return s.keys[cmp.Or(s.clients[id].algorithm, jose.RS256)], nil
}

// SignatureAlgorithms returns the algorithms of tokens.
func (s *store) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	var all []jose.SignatureAlgorithm
	for _, k := range s.keys.list() {
		all = append(all, k.algorithm)
	}
	return all, nil
}

// KeySet returns the keys that /login/keys publishes.
func (s *store) KeySet(context.Context) ([]op.Key, error) {
	var all []op.Key
	for _, k := range s.keys.list() {
		all = append(all, verificationKey{k})
	}
	return all, nil
}

// StoreDeviceAuthorization stores a device. Its scopes are those that this
// issuer supports.
func (s *store) StoreDeviceAuthorization(_ context.Context, client, deviceCode, userCode string, _ time.Time, scopes []string) error {
	return s.addDevice(userCode, &device{client: client, code: deviceCode, scopes: knownScopes(scopes), expires: s.clock().Add(deviceLife)})
}

// GetDeviceAuthorizatonState handles a poll. The library turns an expired
// deadline into slow_down.
func (s *store) GetDeviceAuthorizatonState(_ context.Context, client, deviceCode string) (*op.DeviceAuthorizationState, error) {
	if err := s.readyFor(deviceCode); err != nil {
		return nil, err
	}
	d, err := s.poll(client, deviceCode)
	if errors.Is(err, errTooSoon) {
		return nil, fmt.Errorf("%w: %w", err, context.DeadlineExceeded)
	}
	if err != nil {
		return nil, err
	}
	return &op.DeviceAuthorizationState{
		ClientID: client, Audience: audienceOf(client, s.audience), Scopes: d.scopes, Expires: d.expires,
		Done: d.subject != "", Denied: d.denied, Subject: d.subject, AMR: []string{"pwd"}, AuthTime: d.at,
	}, nil
}

// audienceOf returns the audience of a token: "It MUST contain the OAuth 2.0
// client_id … It MAY also contain identifiers for other audiences" (OpenID
// Connect Core §2).
func audienceOf(client, always string) []string {
	return slices.Compact([]string{client, always})
}

// knownScopes returns the supported scopes.
func knownScopes(scopes []string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return s != oidc.ScopeOpenID && s != oidc.ScopeEmail })
}

// DeleteAuthRequest does nothing: AuthRequestByCode has removed the request.
func (s *store) DeleteAuthRequest(context.Context, string) error { return nil }

// Health always returns nil.
func (s *store) Health(context.Context) error { return nil }

// GetPrivateClaimsFromScopes adds no claims.
func (s *store) GetPrivateClaimsFromScopes(context.Context, string, string, []string) (map[string]any, error) {
	return nil, nil
}

// The rest of op.Storage belongs to endpoints and grants that are not served.

func (s *store) CreateAuthRequest(context.Context, *oidc.AuthRequest, string) (op.AuthRequest, error) {
	return nil, errNotOffered
}

func (s *store) AuthRequestByID(context.Context, string) (op.AuthRequest, error) {
	return nil, errNotOffered
}

func (s *store) SaveAuthCode(context.Context, string, string) error { return errNotOffered }

func (s *store) CreateAccessAndRefreshTokens(context.Context, op.TokenRequest, string) (string, string, time.Time, error) {
	return "", "", time.Time{}, errNotOffered
}

func (s *store) TokenRequestByRefreshToken(context.Context, string) (op.RefreshTokenRequest, error) {
	return nil, errNotOffered
}

func (s *store) TerminateSession(context.Context, string, string) error { return errNotOffered }

func (s *store) RevokeToken(context.Context, string, string, string) *oidc.Error {
	return oidc.ErrServerError().WithParent(errNotOffered)
}

func (s *store) GetRefreshTokenInfo(context.Context, string, string) (string, string, error) {
	return "", "", errNotOffered
}

func (s *store) SetIntrospectionFromToken(context.Context, *oidc.IntrospectionResponse, string, string, string) error {
	return errNotOffered
}

func (s *store) GetKeyByIDAndClientID(context.Context, string, string) (*jose.JSONWebKey, error) {
	return nil, errNotOffered
}

func (s *store) ValidateJWTProfileScopes(context.Context, string, []string) ([]string, error) {
	return nil, errNotOffered
}
