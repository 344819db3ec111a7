// Package rpcstatus is how Sigstore's REST APIs say no: the status of gRPC as
// JSON, under an HTTP status.
//
//	{"code":3,"message":"digest is not as long as the hash of keyDetails","details":[]}
//
// Marshal writes no details. Parse reads what others write: unknown members are
// ignored, doubled ones and trailing data refused.
//
// Source: google.rpc.Status (googleapis, google/rpc/status.proto and code.proto)
// as grpc-gateway writes it.
package rpcstatus
