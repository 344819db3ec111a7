package login

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

// passwordRedirect is where the issuer sends a browser with the code. Nothing
// listens there: Password reads it off the answer.
const passwordRedirect = "http://127.0.0.1" + callbackPath

// Password logs in with the password of an account, walking the pages of
// hallmark's own login as a browser would; other issuers have other pages.
// Errors: ErrRefused, ErrUnavailable, the context's.
func Password(ctx context.Context, o Options, email string, password []byte) (string, error) {
	ctx, f, err := o.begin(ctx)
	if err != nil {
		return "", err
	}
	f.config.RedirectURL = passwordRedirect
	jar, err := cookiejar.New(nil)
	if err != nil {
		return "", err
	}
	browser := *o.http()
	browser.Jar = jar
	browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	form, action, err := openPage(ctx, &browser, f.authURL())
	if err != nil {
		return "", err
	}
	form.Set("email", email)
	form.Set("password", string(password))
	answer, err := submit(ctx, &browser, action, form)
	if err != nil {
		return "", err
	}
	return f.redeem(ctx, answer.Get("code"), answer.Get("state"))
}

// openPage reads the form of the sign-in page: its hidden fields and its target.
func openPage(ctx context.Context, browser *http.Client, address string) (url.Values, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, "", err
	}
	resp, err := browser.Do(req)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrUnavailable, withoutQuery(err))
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	hidden := regexp.MustCompile(`<input type="hidden" name="request" value="([^"]+)">`).FindSubmatch(page)
	action := regexp.MustCompile(`<form method="post" action="(/[^"]*)">`).FindSubmatch(page)
	if resp.StatusCode != http.StatusOK || hidden == nil || action == nil {
		return nil, "", fmt.Errorf("%w: the issuer shows no sign-in page of hallmark (%s)", ErrRefused, resp.Status)
	}
	target, err := req.URL.Parse(html.UnescapeString(string(action[1])))
	if err != nil || target.Host != req.URL.Host {
		return nil, "", errors.New("the sign-in page sends passwords elsewhere")
	}
	return url.Values{"request": {html.UnescapeString(string(hidden[1]))}}, target.String(), nil
}

// submit sends the form and gives what the redirect to the client carries.
func submit(ctx context.Context, browser *http.Client, action string, form url.Values) (url.Values, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, action, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := browser.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, withoutQuery(err))
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusServiceUnavailable:
		return nil, fmt.Errorf("%w: it is busy", ErrUnavailable)
	case resp.StatusCode == http.StatusTooManyRequests:
		return nil, fmt.Errorf("%w: too many attempts; try again in %s seconds", ErrRefused, resp.Header.Get("Retry-After"))
	case resp.StatusCode != http.StatusSeeOther:
		return nil, fmt.Errorf("%w: no account has this address and password", ErrRefused)
	}
	to, err := resp.Location()
	if err != nil || !strings.HasPrefix(to.String(), passwordRedirect+"?") {
		return nil, fmt.Errorf("%w: the issuer redirects elsewhere", ErrRefused)
	}
	return to.Query(), nil
}

// withoutQuery drops the address that net/http puts into its errors.
func withoutQuery(err error) error {
	if in := new(url.Error); errors.As(err, &in) {
		return in.Err
	}
	return err
}
