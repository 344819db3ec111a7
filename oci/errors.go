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
)

// Reason says why a registry could not be looked at.
type Reason string

// The reasons.
const (
	Denied      Reason = "denied"      // 401 or 403: log in, or ask for the right to read
	NotFound    Reason = "not-found"   // 404: no such repository or image
	Busy        Reason = "busy"        // 429, also after waiting as long as it asked for
	Unavailable Reason = "unavailable" // 5xx, or no connection
	TimedOut    Reason = "timed-out"   // no answer in time
	Garbled     Reason = "garbled"     // an answer that is not what the specification says
	Unsupported Reason = "unsupported" // a kind of image that is not signed, such as docker's schema 1
	Refused     Reason = "refused"     // another 4xx: the registry does not take or do what it was asked to
	Untrusted   Reason = "untrusted"   // its TLS certificate is by nobody who is trusted, or of another host
	NoTLS       Reason = "no-tls"      // it speaks plain HTTP, which is for loopback or PlainHTTPUnsafe
	Credentials Reason = "credentials" // those that are kept for it can't be read: it was not asked
	TooMuch     Reason = "too-much"    // more than is looked at: see the limits
)

// RegistryError says that it could not be seen what a registry has: whether an image is
// signed is not known.
type RegistryError struct {
	Reason Reason
	Status int // of HTTP; 0 where there was no answer
	Err    error
}

// Error says what was tried and what came of it.
func (u *RegistryError) Error() string { return fmt.Sprintf("%s: %v", u.Reason.words(), u.Err) }

// Unwrap gives the cause.
func (u *RegistryError) Unwrap() error { return u.Err }

// words are a reason for people.
func (r Reason) words() string {
	return map[Reason]string{
		Denied: "the registry refuses access", NotFound: "the registry has no such image", Busy: "the registry is busy",
		Unavailable: "the registry does not answer", TimedOut: "the registry took too long",
		Garbled: "the registry's answer makes no sense", Refused: "the registry refuses the request", Unsupported: "this kind of image is not supported",
		TooMuch: "there is more than is looked at",
		NoTLS:   "the registry speaks no TLS", Untrusted: "the registry's certificate is not trusted", Credentials: "the credentials for the registry can't be read",
	}[r]
}

// ErrMalformed is the cause of what is wrong with something that was seen: a
// manifest or a bundle that is not as it must be. Looking again does not help.
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

// unseen classifies what went wrong on the way.
func registryError(err error) error {
	var already *RegistryError
	var answer *transport.Error
	var timeout net.Error
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &already), errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &certificate): // before what plain HTTP at loopback says
		return &RegistryError{Reason: Untrusted, Err: certificate}
	case errors.As(err, &answer): // of the handshake
		return &RegistryError{Reason: reasonOf(answer.StatusCode), Status: answer.StatusCode, Err: handshakeError(answer)}
	case isNoTLS(err):
		return &RegistryError{Reason: NoTLS, Err: err}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return &RegistryError{Reason: TimedOut, Err: err}
	}
	return &RegistryError{Reason: Unavailable, Err: err}
}

// isNoTLS reports whether what came in place of a TLS handshake was something else, as
// net/http says where it is HTTP, and crypto/tls behind a proxy.
func isNoTLS(err error) bool {
	var record tls.RecordHeaderError
	return errors.Is(err, http.ErrSchemeMismatch) || errors.As(err, &record)
}

// refused is an answer with a status that is none, with what the registry says.
func refused(resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	return &RegistryError{
		Reason: reasonOf(resp.StatusCode), Status: resp.StatusCode,
		Err: fmt.Errorf("%s %s: %s%s", resp.Request.Method, resp.Request.URL.Redacted(), resp.Status, registryMessages(body)),
	}
}

// handshakeError is a refusal of the registry's front page or of its token service.
func handshakeError(answer *transport.Error) error {
	body, _ := json.Marshal(answer) // its errors, as the registry wrote them
	where := ""
	if r := answer.Request; r != nil {
		where = r.Method + " " + r.URL.Redacted() + ": "
	}
	return fmt.Errorf("%s%d %s%s", where, answer.StatusCode, http.StatusText(answer.StatusCode), registryMessages(body))
}

// Limits of what is repeated of a registry's error.
const (
	maxErrorBody = 64 << 10
	maxOwnErrors = 3
)

// registryMessages returns the registry's own error codes and messages (distribution-spec,
// "Error Codes"), bounded and quoted, or nothing where the body has none:
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
