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

// fileTaker is an answer that takes files, as that of a TCP connection does.
type fileTaker struct {
	http.ResponseWriter
	took io.Reader
}

func (f *fileTaker) ReadFrom(src io.Reader) (int64, error) {
	f.took = src
	return io.Copy(io.Discard, src)
}

// What counts requests hides no file from the connection, which has the kernel send it.
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

// Whatever an operator names a log, the line of its metric stays one line.
func TestLabeled(t *testing.T) {
	t.Parallel()
	if got, want := labeled("n", "log", "a\\b\"c\nd"), `n{log="a\\b\"c\nd"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
