// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/hallmark-sign/hallmark/client/retry"
)

// A Reason is the reason why a registry could not be consulted.
type Reason string

// The reasons.
const (
	Denied      Reason = "denied"      // 401 or 403: log in, or ask for the right to read
	NotFound    Reason = "not-found"   // 404: no such repository or image
	Busy        Reason = "busy"        // 429, even after waiting as long as the registry asked
	Unavailable Reason = "unavailable" // 5xx, or no connection
	TimedOut    Reason = "timed-out"   // no response in time
	Garbled     Reason = "garbled"     // a response that violates the specification
	Unsupported Reason = "unsupported" // a kind of image that is not signed, such as docker's schema 1
	Refused     Reason = "refused"     // another 4xx
	Untrusted   Reason = "untrusted"   // the TLS certificate has no trusted issuer, or is for another host
	NoTLS       Reason = "no-tls"      // the registry uses plain HTTP, which is allowed to loopback or with PlainHTTPUnsafe
	Credentials Reason = "credentials" // stored credentials can't be read; no request was made
	TooMuch     Reason = "too-much"    // more than the limits allow
)

// A RegistryError reports that the registry could not be consulted, so it is
// unknown whether an image is signed.
type RegistryError struct {
	Reason Reason
	Status int // HTTP status; 0 without a response
	Err    error
}

// Error describes the reason and the cause.
func (u *RegistryError) Error() string { return fmt.Sprintf("%s: %v", u.Reason.words(), u.Err) }

// Unwrap returns the cause.
func (u *RegistryError) Unwrap() error { return u.Err }

// Is reports whether target is client.ErrUnavailable and a later retry may help.
func (u *RegistryError) Is(target error) bool {
	return target == retry.ErrUnavailable && (u.Reason == Busy || u.Reason == Unavailable || u.Reason == TimedOut)
}

// words returns the reason in words.
func (r Reason) words() string {
	return map[Reason]string{
		Denied: "the registry refuses access", NotFound: "the registry has no such image", Busy: "the registry is busy",
		Unavailable: "the registry does not respond", TimedOut: "the registry took too long",
		Garbled: "the registry's response is invalid", Refused: "the registry refuses the request", Unsupported: "this kind of image is not supported",
		TooMuch: "a limit is exceeded",
		NoTLS:   "the registry does not use TLS", Untrusted: "the registry's certificate is not trusted", Credentials: "the credentials for the registry can't be read",
	}[r]
}

// ErrMalformed is matched by errors about a malformed manifest or bundle.
// Fetching it again does not help.
var ErrMalformed = errors.New("malformed attachment")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrMalformed, fmt.Errorf(format, args...))
}

func garbled(format string, args ...any) error {
	return &RegistryError{Reason: Garbled, Err: fmt.Errorf(format, args...)}
}

func unsupported(format string, args ...any) error {
	return &RegistryError{Reason: Unsupported, Err: fmt.Errorf(format, args...)}
}

// registryError classifies the error of a request.
func registryError(err error) error {
	var already *RegistryError
	var answer *transport.Error
	var timeout net.Error
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &already), errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &certificate): // before the errors of plain HTTP at loopback
		return &RegistryError{Reason: Untrusted, Err: certificate}
	case errors.As(err, &answer): // of the handshake
		return &RegistryError{Reason: reasonOf(answer.StatusCode), Status: answer.StatusCode, Err: handshakeError(answer)}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout(): // maybe over plain HTTP, after TLS
		return &RegistryError{Reason: TimedOut, Err: err}
	case isNoTLS(err), errors.Is(err, errPlain):
		return &RegistryError{Reason: NoTLS, Err: err}
	}
	return &RegistryError{Reason: Unavailable, Err: err}
}

// isNoTLS reports whether the TLS handshake failed because the other side does
// not speak TLS. net/http reports HTTP in its place, crypto/tls anything else.
func isNoTLS(err error) bool {
	var record tls.RecordHeaderError
	return errors.Is(err, http.ErrSchemeMismatch) || errors.As(err, &record)
}

// refused returns the error for an unexpected status, with the registry's
// messages.
func refused(resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	return &RegistryError{
		Reason: reasonOf(resp.StatusCode), Status: resp.StatusCode,
		Err: fmt.Errorf("%s %s: %s%s", resp.Request.Method, resp.Request.URL.Redacted(), resp.Status, registryMessages(body)),
	}
}

// handshakeError describes a refusal by the registry's base endpoint or its
// token service.
func handshakeError(answer *transport.Error) error {
	body, _ := json.Marshal(answer) // its errors, as the registry wrote them
	where := ""
	if r := answer.Request; r != nil {
		where = r.Method + " " + r.URL.Redacted() + ": "
	}
	return fmt.Errorf("%s%d %s%s", where, answer.StatusCode, http.StatusText(answer.StatusCode), registryMessages(body))
}

// Limits of the registry's messages in our errors.
const (
	maxErrorBody = 64 << 10
	maxOwnErrors = 3
)

// registryMessages returns the error codes and messages of the registry
// (distribution-spec, "Error Codes"), bounded and quoted, or nothing if there
// are none:
//
//	{"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid","detail":…}]}
func registryMessages(body []byte) string {
	var said struct {
		Errors []struct {
			Code    string         `json:"code"`
			Message string         `json:"message"`
			Detail  jsontext.Value `json:"detail"`
		} `json:"errors"`
	}
	if json.Unmarshal(body, &said, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) != nil {
		return ""
	}
	var words strings.Builder
	for _, e := range said.Errors[:min(len(said.Errors), maxOwnErrors)] {
		fmt.Fprintf(&words, "; the registry says %.64q", e.Code)
		if e.Message != "" {
			fmt.Fprintf(&words, ": %.300q", e.Message)
		}
		if detail := string(e.Detail); detail != "" && detail != "null" && detail != "{}" && detail != `""` {
			fmt.Fprintf(&words, " (%.300q)", detail)
		}
	}
	return words.String()
}

func reasonOf(status int) Reason {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return Denied
	case status == http.StatusNotFound:
		return NotFound
	case status == http.StatusTooManyRequests:
		return Busy
	case status >= 500:
		return Unavailable
	case status >= 400:
		return Refused
	}
	return Garbled
}
