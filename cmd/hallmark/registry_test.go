// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/name"
	fakeregistry "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/rogpeppe/go-internal/testscript"
)

// registryCommand: registry VAR starts a registry on loopback with a random image,
// and sets VAR to its REGISTRY/REPO, VAR_DIGEST to its digest; its tag is v1. The tag index is
// an index of three. A request to the path /answer/STATUS?what=WHAT has all later
// ones answered so whose method and path have WHAT in them; 0 ends that.
func registryCommand(ts *testscript.TestScript, _ bool, args []string) {
	var status atomic.Int32
	var what atomic.Value
	what.Store("")
	inner := fakeregistry.New(fakeregistry.WithReferrersSupport(true), fakeregistry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if text, ok := strings.CutPrefix(r.URL.Path, "/answer/"); ok {
			n, _ := strconv.Atoi(text)
			what.Store(r.URL.Query().Get("what"))
			status.Store(int32(n))
		} else if n := status.Load(); n != 0 && strings.Contains(r.URL.Path, "/a/b/") && strings.Contains(r.Method+" "+r.URL.Path, what.Load().(string)) {
			w.WriteHeader(int(n))
		} else {
			inner.ServeHTTP(w, r)
		}
	}))
	ts.Defer(server.Close)
	repo := strings.TrimPrefix(server.URL, "http://") + "/a/b"
	ref, err := name.ParseReference(repo + ":v1")
	ts.Check(err)
	image, err := random.Image(100, 1)
	ts.Check(err)
	ts.Check(remote.Write(ref, image))
	digest, err := image.Digest()
	ts.Check(err)
	index, err := random.Index(100, 1, 3)
	ts.Check(err)
	ts.Check(remote.WriteIndex(ref.Context().Tag("index"), index))
	ts.Setenv(args[0], repo)
	ts.Setenv(args[0]+"_HOST", strings.TrimSuffix(repo, "/a/b"))
	ts.Setenv(args[0]+"_DIGEST", digest.String())
}

// answerCommand: answer REPO STATUS [WHAT] has the registry of REPO answer so to
// requests with WHAT in their method and path.
func answerCommand(ts *testscript.TestScript, _ bool, args []string) {
	host, _, _ := strings.Cut(args[0], "/")
	query := url.Values{"what": args[2:]}
	resp, err := http.Get("http://" + host + "/answer/" + args[1] + "?" + query.Encode())
	ts.Check(err)
	ts.Check(resp.Body.Close())
}
