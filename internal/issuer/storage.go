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

// errNotOffered answers what the library could ask of other providers.
var errNotOffered = errors.New("not offered by this issuer")

// store is the issuer's memory, accounts and key for the library: an op.Storage
// and an op.DeviceAuthorizationStorage.
type store struct {
	*memory
	accounts *Accounts
	keys     signingKeys
	audience string            // of all tokens
	clients  map[string]client // by id
}

// forClient is the key of a context's value: the client whose token is made.
type forClient struct{}

// GetClientByClientID returns a client that is configured.
func (s *store) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	c, ok := s.clients[id]
	if !ok {
		return nil, oidc.ErrInvalidClient().WithDescription("unknown client")
	}
	return c, nil
}

// AuthorizeClientIDSecret lets a public client say that its secret is empty, as
// golang.org/x/oauth2 does in an Authorization header.
func (s *store) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	if _, ok := s.clients[id]; !ok || secret != "" {
		return errors.New("unknown client, or a secret for a public one")
	}
	return nil
}

// AuthRequestByCode takes the code: a second call finds nothing.
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

// readyFor keeps a code, which serves once, while its account can't be looked up. Errors:
// errAccounts.
func (s *store) readyFor(code string) error {
	if !s.holds(code) {
		return nil
	}
	_, err := s.accounts.read()
	return err
}

// CreateAccessToken gives a token for the userinfo endpoint, whose id is its end.
func (s *store) CreateAccessToken(context.Context, op.TokenRequest) (string, time.Time, error) {
	end := time.Now().Add(tokenLife)
	return strconv.FormatInt(end.Unix(), 10), end, nil
}

// SetUserinfoFromScopes puts the claims of people into an ID token.
func (s *store) SetUserinfoFromScopes(_ context.Context, info *oidc.UserInfo, subject, _ string, scopes []string) error {
	account, err := s.accounts.bySubject(subject)
	if errors.Is(err, ErrNoAccount) {
		return oidc.ErrInvalidGrant().WithDescription("the account is gone")
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

// SetUserinfoFromToken answers the userinfo endpoint; id is of CreateAccessToken.
func (s *store) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, id, subject, _ string) error {
	end, err := strconv.ParseInt(id, 10, 64)
	if err != nil || time.Now().Unix() > end {
		return oidc.ErrAccessDenied().WithDescription("access token is not valid")
	}
	return s.SetUserinfoFromScopes(ctx, info, subject, "", []string{oidc.ScopeEmail})
}

// SigningKey returns the key of the tokens of the client that ctx names.
func (s *store) SigningKey(ctx context.Context) (op.SigningKey, error) {
	id, _ := ctx.Value(forClient{}).(string)
	return s.keys[cmp.Or(s.clients[id].algorithm, jose.RS256)], nil
}

// SignatureAlgorithms is the alg of tokens.
func (s *store) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	var all []jose.SignatureAlgorithm
	for _, k := range s.keys.list() {
		all = append(all, k.algorithm)
	}
	return all, nil
}

// KeySet is what /login/keys publishes.
func (s *store) KeySet(context.Context) ([]op.Key, error) {
	var all []op.Key
	for _, k := range s.keys.list() {
		all = append(all, verificationKey{k})
	}
	return all, nil
}

// StoreDeviceAuthorization remembers a device; what it asks for is what tokens
// of this issuer have.
func (s *store) StoreDeviceAuthorization(_ context.Context, client, deviceCode, userCode string, _ time.Time, scopes []string) error {
	return s.addDevice(userCode, &device{client: client, code: deviceCode, scopes: knownScopes(scopes), expires: s.clock().Add(deviceLife)})
}

// GetDeviceAuthorizatonState answers a poll. The library makes slow_down of a
// deadline that has passed.
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

// audienceOf returns whom a token is for: "It MUST contain the OAuth 2.0 client_id … It
// MAY also contain identifiers for other audiences" (OpenID Connect Core §2).
func audienceOf(client, always string) []string {
	return slices.Compact([]string{client, always})
}

// knownScopes keeps the scopes that mean something here.
func knownScopes(scopes []string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return s != oidc.ScopeOpenID && s != oidc.ScopeEmail })
}

// DeleteAuthRequest has nothing to do: AuthRequestByCode took the request.
func (s *store) DeleteAuthRequest(context.Context, string) error { return nil }

// Health has nothing to tell.
func (s *store) Health(context.Context) error { return nil }

// GetPrivateClaimsFromScopes adds nothing to tokens.
func (s *store) GetPrivateClaimsFromScopes(context.Context, string, string, []string) (map[string]any, error) {
	return nil, nil
}

// The rest of op.Storage is for endpoints and grants that are not served.

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
