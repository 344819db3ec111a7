// SPDX-License-Identifier: Apache-2.0

package server

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hallmark-sign/hallmark/internal/durable"
)

// A fileTaker is a ResponseWriter that accepts files, like that of a TCP connection.
type fileTaker struct {
	http.ResponseWriter
	took io.Reader
}

func (f *fileTaker) ReadFrom(src io.Reader) (int64, error) {
	f.took = src
	return io.Copy(io.Discard, src)
}

// TestFilesReachTheConnection checks that the counting of requests does not hide files from the
// connection, so that the kernel can send them.
func TestFilesReachTheConnection(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tile")
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	f, size, err := durable.OpenRegular(durable.OS{}, path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := &fileTaker{ResponseWriter: httptest.NewRecorder()}
	http.ServeContent(&recorder{ResponseWriter: w, status: http.StatusOK}, httptest.NewRequest("GET", "/", nil), "", time.Time{}, durable.Content(f, size))
	limited, ok := w.took.(*io.LimitedReader)
	if !ok {
		t.Fatalf("the connection gets a %T", w.took)
	}
	if _, ok := limited.R.(*os.File); !ok {
		t.Errorf("the connection gets a %T", limited.R)
	}
}

// TestLabeled checks that a metric stays on one line, with any name of a log.
func TestLabeled(t *testing.T) {
	t.Parallel()
	if got, want := labeled("n", "log", "a\\b\"c\nd"), `n{log="a\\b\"c\nd"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
