// SPDX-License-Identifier: Apache-2.0

package ca

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hallmark-sign/hallmark/wire/fulcio"
)

const (
	// maxToken bounds a token, in bytes.
	maxToken = 16 << 10
	// deadline bounds the processing of a request after its body has been read.
	deadline = 15 * time.Second
)

const (
	typeJSON = "application/json"
	typePEM  = "application/pem-certificate-chain"
)

// A version has the differences between the two API versions.
type version struct {
	parse       func(body []byte) (fulcio.Request, error)
	marshal     func(chain []*x509.Certificate) ([]byte, error)
	status      int // clients accept no other
	contentType string
}

// Handler returns the handler of the authority's API.
func (a *Authority) Handler() http.Handler {
	v2 := version{fulcio.ParseRequest, fulcio.MarshalResponse, http.StatusOK, typeJSON}
	v1 := version{fulcio.ParseRequestV1, marshalV1, http.StatusCreated, typePEM}
	mux := http.NewServeMux()
	mux.Handle("/api/v2/signingCert", a.serveSigningCert(v2))
	mux.Handle("/api/v1/signingCert", a.serveSigningCert(v1))
	mux.Handle("POST /api/hallmark/v1/explain", http.HandlerFunc(a.explain))
	mux.Handle("GET /api/v2/trustBundle", serve(typeJSON, a.trustBundle))
	mux.Handle("GET /api/v2/configuration", http.HandlerFunc(a.configuration))
	mux.Handle("GET /api/v1/rootCert", serve(typePEM, a.rootCert))
	return mux
}

func marshalV1(chain []*x509.Certificate) ([]byte, error) { return fulcio.MarshalPEM(chain), nil }

// serve returns a handler with a constant response.
func serve(contentType string, body []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusOK, contentType, body)
	})
}

func write(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body) // fails only if the client has gone
}

func (a *Authority) serveSigningCert(v version) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, err := a.answer(w, r, v)
		if err != nil {
			a.refuse(w, r, err)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		write(w, v.status, v.contentType, answer)
	})
}

// answer decodes the request, issues the certificate and encodes the response.
func (a *Authority) answer(w http.ResponseWriter, r *http.Request, v version) ([]byte, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return nil, errMethod
	}
	mediaType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(mediaType), typeJSON) {
		return nil, errContentType
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, fulcio.MaxRequest))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBody, err)
	}
	ctx, cancel := context.WithTimeout(r.Context(), deadline)
	defer cancel()
	request, err := v.parse(body)
	if err != nil {
		return nil, err
	}
	token, err := tokenOf(r.Header, request.Token)
	if err != nil {
		return nil, err
	}
	chain, err := a.issue(ctx, request, token)
	if err != nil {
		return nil, err
	}
	return v.marshal(chain)
}

// tokenOf returns the token of the Authorization header or of the body. If both
// have one, they must be equal.
func tokenOf(header http.Header, body string) (string, error) {
	token := body
	if values := header.Values("Authorization"); len(values) > 0 {
		scheme, bearer, _ := strings.Cut(values[0], " ")
		if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") {
			return "", fmt.Errorf("%w: not one Bearer", errAuthorization)
		}
		if body != "" && body != bearer {
			return "", errTwoTokens
		}
		token = bearer
	}
	if len(token) > maxToken {
		return "", fmt.Errorf("%w: token of %d bytes", errAuthorization, len(token))
	}
	return token, nil
}

// explain answers with what a certificate for the token would contain. It issues none.
func (a *Authority) explain(w http.ResponseWriter, r *http.Request) {
	body, err := a.explanation(r)
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	write(w, http.StatusOK, typeJSON, body)
}

func (a *Authority) explanation(r *http.Request) ([]byte, error) {
	token, err := tokenOf(r.Header, "")
	if err != nil {
		return nil, err
	}
	if token == "" {
		return nil, fmt.Errorf("checking token: %w: there is none", errToken)
	}
	ctx, cancel := context.WithTimeout(r.Context(), deadline)
	defer cancel()
	e, err := a.o.Tokens.Explain(ctx, token)
	if err != nil {
		return nil, fmt.Errorf("checking token: %w: %w", errToken, err)
	}
	return e.Marshal()
}

// configuration answers with the issuers whose tokens are accepted now.
func (a *Authority) configuration(w http.ResponseWriter, r *http.Request) {
	body, err := a.o.Configuration().Marshal()
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	write(w, http.StatusOK, typeJSON, body)
}
