// SPDX-License-Identifier: Apache-2.0

package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// Reload asks the server to read its configuration again.
const Reload = "/reload"

// ErrNotRunning reports that no server runs in a directory.
var ErrNotRunning = errors.New("no server runs here")

const (
	// maxReason bounds an answer, in bytes.
	maxReason = 64 << 10

	// patience bounds how long a call may take.
	patience = 30 * time.Second
)

// socket returns the path of the socket in the directory of an instance.
func socket(dir string) string { return filepath.Join(dir, "run", "control.sock") }

// maxAddress bounds the path in the address of a socket, in bytes: 104 or 108, by system.
const maxAddress = 100

// address returns a path of the socket that fits in an address: on Linux, a long one starts
// at the descriptor of the directory. The path is good until release is called.
func address(dir string) (path string, release func(), err error) {
	path = socket(dir)
	if len(path) <= maxAddress || runtime.GOOS != "linux" {
		return path, func() {}, nil
	}
	run, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", run.Fd(), filepath.Base(path)), func() { run.Close() }, nil
}

// Serve answers calls until ctx ends. Only one server may run in a directory. An error
// means that calls are not answered.
func Serve(ctx context.Context, dir string, calls map[string]func(context.Context) error) error {
	l, release, err := listen(dir)
	if err != nil {
		return fmt.Errorf("listening for commands: %w", err)
	}
	defer release()
	mux := http.NewServeMux()
	for path, call := range calls {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			if err := call(r.Context()); err != nil {
				http.Error(w, err.Error(), http.StatusUnprocessableEntity)
				return
			}
			w.WriteHeader(http.StatusNoContent)
		})
	}
	s := &http.Server{Handler: mux, ReadTimeout: patience, WriteTimeout: patience, MaxHeaderBytes: 8 << 10}
	ended := context.AfterFunc(ctx, func() { s.Close() })
	defer ended()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// listen makes the socket. The directory around it keeps others out before the socket
// itself has its mode.
func listen(dir string) (l net.Listener, release func(), err error) {
	if err := os.MkdirAll(filepath.Dir(socket(dir)), 0o700); err != nil {
		return nil, nil, err
	}
	if err := os.Chmod(filepath.Dir(socket(dir)), 0o700); err != nil {
		return nil, nil, err
	}
	path, release, err := address(dir)
	if err != nil {
		return nil, nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		release()
		return nil, nil, err // of a server that was killed
	}
	if l, err = net.Listen("unix", path); err != nil {
		release()
		return nil, nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		release()
		return nil, nil, err
	}
	return l, release, nil
}

// Call asks the server that runs in a directory. The error matches [ErrNotRunning], or
// has the server's reason why nothing has changed.
func Call(ctx context.Context, dir, call string) error {
	if _, err := os.Lstat(socket(dir)); errors.Is(err, fs.ErrNotExist) {
		return ErrNotRunning
	}
	path, release, err := address(dir)
	if err != nil {
		return fmt.Errorf("calling the server: %w", err)
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://control"+call, nil)
	if err != nil {
		return err
	}
	resp, err := transport.RoundTrip(req)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return ErrNotRunning
	}
	if err != nil {
		return fmt.Errorf("calling the server: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNoContent {
		return nil
	}
	reason, err := io.ReadAll(io.LimitReader(resp.Body, maxReason))
	if err != nil {
		return fmt.Errorf("calling the server: %w", err)
	}
	return errors.New(string(bytes.TrimSpace(reason)))
}
