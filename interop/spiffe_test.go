// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"context"
	"encoding/base64"
	"net"
	"path/filepath"
	"testing"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/hallmark-sign/hallmark/client/login"
)

// workloadServer answers by gRPC's own server, with the types of go-spiffe.
type workloadServer struct {
	workload.UnimplementedSpiffeWorkloadAPIServer
	token string
}

func (s workloadServer) FetchJWTSVID(ctx context.Context, r *workload.JWTSVIDRequest) (*workload.JWTSVIDResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	if header := md.Get("workload.spiffe.io"); len(header) != 1 || header[0] != "true" {
		return nil, status.Error(codes.InvalidArgument, "security header missing from request")
	}
	if len(r.Audience) != 1 || r.Audience[0] != "sigstore" {
		return nil, status.Error(codes.PermissionDenied, "no identity issued")
	}
	return &workload.JWTSVIDResponse{Svids: []*workload.JWTSVID{{SpiffeId: "spiffe://example.org/web", Svid: s.token, Hint: "web"}}}, nil
}

// TestWorkloadAPI gets a token of a SPIFFE workload.
func TestWorkloadAPI(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	token := "e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"spiffe://example.org/web","aud":["sigstore"]}`)) + ".AAAA"
	server := grpc.NewServer()
	workload.RegisterSpiffeWorkloadAPIServer(server, workloadServer{token: token})
	go server.Serve(l)
	t.Cleanup(server.Stop)
	env := login.Environment{Root: t.TempDir(), Getenv: func(name string) string {
		return map[string]string{"SPIFFE_ENDPOINT_SOCKET": "unix://" + path}[name]
	}}
	if got, ok, err := login.Ambient(t.Context(), env, "sigstore"); got != token || !ok || err != nil {
		t.Errorf("got %q, %t, %v", got, ok, err)
	}
	if _, ok, err := login.Ambient(t.Context(), env, "other"); !ok || err == nil {
		t.Errorf("a refusal: %t, %v", ok, err)
	} else {
		t.Log(err)
	}
}
