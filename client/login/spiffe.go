// SPDX-License-Identifier: Apache-2.0

package login

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
)

// fromSPIFFE asks the SPIFFE workload API for a JWT-SVID (SPIFFE Workload API §6.2.1), at
// the socket that SPIFFE_ENDPOINT_SOCKET names (SPIFFE Workload Endpoint §4).
func fromSPIFFE(ctx context.Context, e Environment, audience string) (string, bool, error) {
	socket := e.Getenv("SPIFFE_ENDPOINT_SOCKET")
	if socket == "" {
		return "", false, nil
	}
	client, err := workloadClient(socket)
	if err != nil {
		return "", true, fmt.Errorf("SPIFFE_ENDPOINT_SOCKET: %w", err)
	}
	defer client.CloseIdleConnections()
	answer, err := callWorkload(ctx, client, field(1, []byte(audience)))
	if err != nil {
		return "", true, err
	}
	svid, err := firstField(answer, 1)
	if err != nil {
		return "", true, err
	}
	token, err := firstField(svid, 2)
	return string(token), true, err
}

// workloadClient returns a client for HTTP/2 without TLS, over a Unix socket or to an IP
// address: "unix:///path" or "tcp://ip:port".
func workloadClient(socket string) (*http.Client, error) {
	u, err := url.Parse(socket)
	if err != nil {
		return nil, errors.New("not a URL")
	}
	network, address := u.Scheme, u.Host
	if u.Scheme == "unix" {
		address = u.Path + u.Opaque
	} else if ap, _, err := net.SplitHostPort(u.Host); u.Scheme != "tcp" || err != nil || net.ParseIP(ap) == nil {
		return nil, errors.New("want unix:///PATH or tcp://IP:PORT")
	}
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	var dialer net.Dialer
	return limitedClient(&http.Client{Transport: &http.Transport{
		Protocols: &protocols,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		},
	}}), nil
}

// callWorkload calls FetchJWTSVID by gRPC over HTTP/2: a byte for no compression, the
// length, and the message, in both directions.
func callWorkload(ctx context.Context, client *http.Client, message []byte) ([]byte, error) {
	body := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/SpiffeWorkloadAPI/FetchJWTSVID", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("TE", "trailers")
	req.Header.Set("workload.spiffe.io", "true") // "MUST include": against requests forged through other programs
	resp, answer, err := do(client, req)
	if err != nil {
		return nil, err
	}
	if status := resp.Header.Get("Grpc-Status") + resp.Trailer.Get("Grpc-Status"); resp.StatusCode != http.StatusOK || status != "0" {
		return nil, &Refused{"gRPC status " + oneLine(status), oneLine(resp.Header.Get("Grpc-Message") + resp.Trailer.Get("Grpc-Message"))}
	}
	if len(answer) < 5 || answer[0] != 0 || int64(binary.BigEndian.Uint32(answer[1:])) != int64(len(answer)-5) {
		return nil, errors.New("response is not one message of gRPC without compression")
	}
	return answer[5:], nil
}

// field returns a field of type bytes in the encoding of protobuf.
func field(number byte, value []byte) []byte {
	return append(binary.AppendUvarint([]byte{number<<3 | 2}, uint64(len(value))), value...)
}

// firstField returns the first field with this number of a message that has fields of
// type bytes and numbers.
func firstField(message []byte, number uint64) ([]byte, error) {
	r := bytes.NewReader(message)
	for {
		key, err := binary.ReadUvarint(r)
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("response has no field %d", number)
		}
		value, err2 := binary.ReadUvarint(r)
		if err != nil || err2 != nil {
			return nil, errors.New("response is not protobuf")
		}
		switch key & 7 {
		case 0:
		case 2:
			if value > uint64(r.Len()) {
				return nil, errors.New("response ends inside of a field")
			}
			at := len(message) - r.Len()
			if key>>3 == number {
				return message[at : at+int(value)], nil
			}
			r.Seek(int64(value), io.SeekCurrent)
		default:
			return nil, errors.New("response has a field of another type")
		}
	}
}
