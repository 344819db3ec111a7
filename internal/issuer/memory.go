// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"errors"
	"sync"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

const (
	// maxCodes and maxDevices bound memory, at about 2 KiB each. A code requires a
	// password, a device nothing.
	maxCodes   = 10_000
	maxDevices = 10_000
)

var (
	// errFull reports that memory is full. A server responds with 503.
	errFull = errors.New("too many sign-ins wait")

	errUnknown = errors.New("unknown, used or expired")
)

// An authRequest is a valid authorization request, and later the person who
// signed in for it. It implements op.AuthRequest.
type authRequest struct {
	RedirectURI string    `json:"redirect_uri"`
	State       string    `json:"state"`
	Nonce       string    `json:"nonce"`
	Challenge   string    `json:"challenge"` // S256
	Scopes      []string  `json:"scopes"`
	ClientID    string    `json:"client_id"`
	Audience    []string  `json:"audience"`
	Subject     string    `json:"subject,omitzero"`
	AuthTime    time.Time `json:"auth_time,omitzero"`
}

// Methods of op.AuthRequest.

func (r *authRequest) GetID() string                      { return "" } // the code finds it
func (r *authRequest) GetACR() string                     { return "" }
func (r *authRequest) GetAMR() []string                   { return []string{"pwd"} } // RFC 8176
func (r *authRequest) GetAudience() []string              { return r.Audience }
func (r *authRequest) GetAuthTime() time.Time             { return r.AuthTime }
func (r *authRequest) GetClientID() string                { return r.ClientID }
func (r *authRequest) GetNonce() string                   { return r.Nonce }
func (r *authRequest) GetRedirectURI() string             { return r.RedirectURI }
func (r *authRequest) GetResponseType() oidc.ResponseType { return oidc.ResponseTypeCode }
func (r *authRequest) GetResponseMode() oidc.ResponseMode { return oidc.ResponseModeQuery }
func (r *authRequest) GetScopes() []string                { return r.Scopes }
func (r *authRequest) GetState() string                   { return r.State }
func (r *authRequest) GetSubject() string                 { return r.Subject }
func (r *authRequest) Done() bool                         { return r.Subject != "" }
func (r *authRequest) GetCodeChallenge() *oidc.CodeChallenge {
	return &oidc.CodeChallenge{Challenge: r.Challenge, Method: oidc.CodeChallengeMethodS256}
}

// An issued is the request of an authorization code.
type issued struct {
	*authRequest
	expires time.Time
}

// A device waits for a person to allow it.
type device struct {
	client  string
	code    string // device code
	scopes  []string
	expires time.Time
	polled  time.Time
	denied  bool
	subject string // account that allowed it; empty until then
	at      time.Time
}

// A memory stores the issuer's data between requests.
type memory struct {
	clock func() time.Time

	mu      sync.Mutex         // guards the rest
	codes   map[string]issued  // by authorization code
	devices map[string]*device // by user code
	users   map[string]string  // user code by device code
}

func newMemory(clock func() time.Time) *memory {
	return &memory{clock: clock, codes: map[string]issued{}, devices: map[string]*device{}, users: map[string]string{}}
}

// addCode stores a request that a person has signed in for.
func (m *memory) addCode(code string, r *authRequest) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.clock()
	if len(m.codes) >= maxCodes {
		for code, i := range m.codes {
			if now.After(i.expires) {
				delete(m.codes, code)
			}
		}
	}
	if len(m.codes) >= maxCodes {
		return errFull
	}
	life := codeLife
	if r.RedirectURI == outOfBand {
		life = pastedCodeLife
	}
	m.codes[code] = issued{r, now.Add(life)}
	return nil
}

// takeCode returns and removes a code's request: "The client MUST NOT use the
// authorization code more than once" (RFC 6749 §4.1.2).
func (m *memory) takeCode(code string) (*authRequest, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, ok := m.codes[code]
	delete(m.codes, code)
	if !ok || m.clock().After(i.expires) {
		return nil, errUnknown
	}
	return i.authRequest, nil
}

// holds reports whether an authorization or device code is known.
func (m *memory) holds(code string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, isCode := m.codes[code]
	_, isDevice := m.users[code]
	return isCode || isDevice
}

func (m *memory) addDevice(userCode string, d *device) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.devices) >= maxDevices {
		m.forgetDevices()
	}
	if m.devices[userCode] != nil {
		return op.ErrDuplicateUserCode
	}
	m.devices[userCode], m.users[d.code] = d, userCode
	return nil
}

// forgetDevices drops expired devices. If there are none, it drops the one that
// has not polled for the longest time: a device in use polls every few seconds.
func (m *memory) forgetDevices() {
	var quietest string
	var since time.Time
	before := len(m.devices)
	for userCode, d := range m.devices {
		if m.clock().After(d.expires) {
			m.forgetDevice(userCode)
			continue
		}
		seen := d.expires.Add(-deviceLife)
		if d.polled.After(seen) {
			seen = d.polled
		}
		if quietest == "" || seen.Before(since) {
			quietest, since = userCode, seen
		}
	}
	if len(m.devices) == before {
		m.forgetDevice(quietest)
	}
}

func (m *memory) forgetDevice(userCode string) {
	delete(m.users, m.devices[userCode].code)
	delete(m.devices, userCode)
}

// waits reports whether a device waits under this user code.
func (m *memory) waits(userCode string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.waiting(userCode) != nil
}

func (m *memory) waiting(userCode string) *device {
	d := m.devices[userCode]
	if d == nil || d.denied || d.subject != "" || m.clock().After(d.expires) {
		return nil
	}
	return d
}

// answer allows a device to sign in as subject, or denies it if subject is
// empty. Errors match errUnknown.
func (m *memory) answer(userCode, subject string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.waiting(userCode)
	if d == nil {
		return errUnknown
	}
	d.subject, d.denied, d.at = subject, subject == "", m.clock()
	return nil
}

// errTooSoon reports that a device polls too often.
var errTooSoon = errors.New("polled within the interval")

// poll returns the device's state, and the decision once. Errors match
// errUnknown or errTooSoon.
func (m *memory) poll(client, deviceCode string) (device, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	userCode := m.users[deviceCode]
	d := m.devices[userCode]
	if d == nil || d.client != client {
		return device{}, errUnknown
	}
	now := m.clock()
	// A tenth of tolerance, since the network may bring two polls closer together.
	if since := now.Sub(d.polled); since >= 0 && since < pollInterval*9/10 {
		return device{}, errTooSoon
	}
	d.polled = now
	if d.denied || d.subject != "" || now.After(d.expires) {
		delete(m.users, deviceCode)
		delete(m.devices, userCode)
	}
	return *d, nil
}
