// SPDX-License-Identifier: Apache-2.0

// Package rpcstatus reads and writes the error responses of Sigstore's REST
// APIs: the status of gRPC as JSON, with an HTTP status.
//
//	{"code":3,"message":"digest is not as long as the hash of keyDetails","details":[]}
//
// [Status.Marshal] writes no details. [Parse] ignores unknown members and
// refuses duplicate members and trailing data.
//
// Source: google.rpc.Status (googleapis, google/rpc/status.proto and
// code.proto) as grpc-gateway writes it.
package rpcstatus
