// SPDX-License-Identifier: Apache-2.0

package login

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// answerPage is the page that the browser shows at the end.
const answerPage = `<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>%[1]s</title></head>
<body><h1>%[1]s</h1><p>%[2]s</p></body>
</html>
`

// callback is the path of the redirect URI.
const callback = "/auth/callback"

// Browser signs in with a browser, which open opens; open may be nil. It also
// prints the address to out, for opening by hand. It waits until ctx ends.
// Errors match [client.ErrUnavailable], are of type *[Refused], or are those of
// the context.
func Browser(ctx context.Context, o Options, open func(url string) error, out io.Writer) (token string, err error) {
	s, err := start(ctx, o)
	if err != nil {
		return "", err
	}
	// "the loopback IP literal rather than localhost" (RFC 8252 §8.3).
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listening for the browser: %w", err)
	}
	a := newAttempt("http://" + listener.Addr().String() + callback)
	answers := make(chan url.Values, 1)
	server := &http.Server{Handler: receiver(a.state, answers), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 32 << 10}
	go server.Serve(listener) // ends with Shutdown
	defer shutDown(server)
	address, err := s.address(a)
	if err != nil {
		return "", err
	}
	if open == nil || open(address) != nil {
		fmt.Fprintf(out, "Open this address in a browser on this machine:\n\n  %s\n\n", address)
	} else {
		fmt.Fprintf(out, "Sign in with the browser that has opened. If none has, open this address on this machine:\n\n  %s\n\n", address)
	}
	select {
	case query := <-answers:
		if token, err = s.redeem(ctx, a, query); err != nil {
			return "", fmt.Errorf("signing in at %s: %w", s.issuer, err)
		}
		return token, nil
	case <-ctx.Done():
		return "", fmt.Errorf("waiting for the browser: %w", ctx.Err())
	}
}

// receiver handles the first response that has this attempt's state. A page of
// another site that guesses the port can't end the wait.
func receiver(state string, answers chan<- url.Values) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+callback, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Cache-Control", "no-store")
		query := r.URL.Query()
		if query.Get("state") != state {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, answerPage, "Not signed in", "This response belongs to another attempt to sign in.")
			return
		}
		if query.Has("error") {
			fmt.Fprintf(w, answerPage, "Not signed in", "The program that sent you here shows the reason. You may close this page.")
		} else {
			fmt.Fprintf(w, answerPage, "Signed in", "You may close this page and go back to where you came from.")
		}
		select {
		case answers <- query:
		default: // ignores a second response
		}
	})
	return mux
}

// shutDown stops the server after the last page has reached the browser.
func shutDown(server *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		server.Close()
	}
}
