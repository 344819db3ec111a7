// SPDX-License-Identifier: Apache-2.0

package login

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strconv"
	"strings"

	"github.com/hallmark-sign/hallmark/client/retry"
)

// Parts of hallmark's login page. The issuer's tests check that they match.
const (
	passwordPath = "/login/password"
	fieldBefore  = `name="request" value="`
)

// ErrPassword reports that the address or the password is wrong.
var ErrPassword = errors.New("email or password is wrong")

// Password signs in without a browser, for scripts. It fills in the login page
// of the issuer that is built into hallmark, and works with no other. Errors
// match [ErrPassword] or [client.ErrUnavailable], or are of type *[Refused].
func Password(ctx context.Context, o Options, email string, password []byte) (token string, err error) {
	s, err := start(ctx, o)
	if err != nil {
		return "", err
	}
	token, err = s.password(ctx, email, password)
	if err != nil {
		return "", fmt.Errorf("signing in at %s: %w", s.issuer, err)
	}
	return token, nil
}

func (s *session) password(ctx context.Context, email string, password []byte) (string, error) {
	// No server listens at this address: the redirect is not followed.
	a := newAttempt("http://127.0.0.1/")
	address, err := s.address(a)
	if err != nil {
		return "", err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return "", err
	}
	client := *s.http
	client.Jar = jar
	field, err := openPage(ctx, &client, address)
	if err != nil {
		return "", err
	}
	query, err := sendPage(ctx, &client, s.issuer+passwordPath, a.redirect, url.Values{
		"request": {field}, "email": {email}, "password": {string(password)},
	})
	if err != nil {
		return "", err
	}
	return s.redeem(ctx, a, query)
}

// openPage returns the hidden field of the login page.
func openPage(ctx context.Context, client *http.Client, address string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	resp, page, err := do(client, req)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", pageRefusal(resp, page)
	}
	_, rest, ok := bytes.Cut(page, []byte(fieldBefore))
	field, _, closed := bytes.Cut(rest, []byte(`"`))
	if !ok || !closed || !bytes.Contains(page, []byte(`action="`+passwordPath+`"`)) {
		return "", errors.New("this is not hallmark's login page: sign in with a browser")
	}
	return string(field), nil
}

// sendPage submits the form and returns the query of the redirect.
func sendPage(ctx context.Context, client *http.Client, where, redirect string, form url.Values) (url.Values, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, where, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, page, err := do(client, req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusForbidden {
		return nil, ErrPassword
	}
	if resp.StatusCode == http.StatusTooManyRequests {
		return nil, fmt.Errorf("%w: too many wrong passwords: wait %s", retry.ErrUnavailable, wait(resp))
	}
	if resp.StatusCode != http.StatusSeeOther {
		return nil, pageRefusal(resp, page)
	}
	target, query, _ := strings.Cut(resp.Header.Get("Location"), "?")
	if target != redirect {
		return nil, errors.New("login page redirects to another address")
	}
	return url.ParseQuery(query)
}

// wait returns how long the server asks to wait, in words.
func wait(resp *http.Response) string {
	seconds, err := strconv.ParseUint(resp.Header.Get("Retry-After"), 10, 16)
	if err != nil {
		return "a minute"
	}
	return fmt.Sprintf("%d s", seconds)
}

// pageRefusal returns the error for a page. Pages are meant for people, so only
// the status counts.
func pageRefusal(resp *http.Response, _ []byte) error {
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusSeeOther {
		return errors.New("login page is not as expected")
	}
	return refusal(resp, nil)
}
