package login

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

const callbackPath = "/auth/callback"

// callback is what the browser brings back.
type callback struct{ code, state, problem string }

// Browser has a person log in with a browser on this machine: open is called with
// the address, which out is told too. Errors: ErrRefused, ErrUnavailable, the
// context's.
func Browser(ctx context.Context, o Options, open func(url string) error, out io.Writer) (string, error) {
	ctx, f, err := o.begin(ctx)
	if err != nil {
		return "", err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("waiting for the browser: %w", err)
	}
	f.config.RedirectURL = fmt.Sprintf("http://localhost:%d%s", listener.Addr().(*net.TCPAddr).Port, callbackPath)
	answers := make(chan callback, 1)
	s := &http.Server{Handler: callbackHandler(f.state, answers), ReadHeaderTimeout: 10 * time.Second}
	go s.Serve(listener)
	defer func() { // the page that says so is sent before this ends
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		s.Shutdown(end)
	}()
	fmt.Fprintf(out, "Log in with your browser, at\n  %s\n", f.authURL())
	if err := open(f.authURL()); err != nil {
		fmt.Fprintln(out, "(no browser could be opened; open the address yourself)")
	}
	select {
	case <-ctx.Done():
		return "", fmt.Errorf("waiting for the browser: %w", ctx.Err())
	case answer := <-answers:
		if answer.problem != "" {
			return "", fmt.Errorf("%w: the issuer answered %.80q", ErrRefused, answer.problem)
		}
		return f.redeem(ctx, answer.code, answer.state)
	}
}

// callbackHandler takes the one answer to our request; requests with another
// state, which any page can make a browser send, are turned away.
func callbackHandler(state string, answers chan<- callback) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+callbackPath, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("state") != state {
			http.Error(w, "This is not the answer that hallmark waits for.", http.StatusBadRequest)
			return
		}
		select {
		case answers <- callback{q.Get("code"), q.Get("state"), q.Get("error")}:
		default: // there has been one
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
		io.WriteString(w, "<!doctype html><title>hallmark</title><p>Done. You may close this page and go back to the terminal.</p>\n")
	})
	return mux
}
