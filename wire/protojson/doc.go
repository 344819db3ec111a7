// SPDX-License-Identifier: Apache-2.0

// Package protojson reads and writes protobuf messages as JSON, strictly, from
// declarations in Go: neither a schema nor generated code is needed.
//
// A type declares its members once, in the order of the .proto file, and is read
// and written by that declaration:
//
//	type checkpoint struct{ envelope protojson.String }
//
//	func (c *checkpoint) Members() []protojson.Member {
//		return []protojson.Member{{Name: "envelope", Value: &c.envelope}}
//	}
//
// Unmarshal accepts what the mapping requires of parsers: each member under its lowerCamelCase
// name and under its original name, enums by name or by number, 64-bit integers as strings or
// as numbers, also with an exponent, bytes in either base64 alphabet with or without padding,
// and null for an absent member. It refuses unknown members, duplicate members under either
// name, two members of one oneof, null in a list, trailing data and invalid UTF-8. Nesting
// can't be deeper than the declared messages.
//
// Source: https://protobuf.dev/programming-guides/json/. Proof:
// TestMappingIsProtobufs here, and TestMessagesAreProtobufs in interop/, which
// compares every format that uses this package with protobuf-specs.
package protojson
