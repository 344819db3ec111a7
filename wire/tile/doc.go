// SPDX-License-Identifier: Apache-2.0

// Package tile implements the layout of a tiled Merkle log: paths of tiles,
// bundles of entries, inclusion and consistency proofs.
//
//	tile/0/x001/x234/067       256 leaf hashes, 8,192 bytes
//	tile/1/004.p/17            17 hashes of full tiles of the level below
//	tile/entries/x001/x234/067 256 entries, each after its 16-bit length
//
// It refuses paths that are not canonical, widths beyond 256, entry bundles
// with trailing bytes, and proofs whose length does not match the tree. Proofs
// are those of RFC 6962 and of x/mod/sumdb/tlog (TestRFC6962Vectors,
// TestInclusionAgainstOracle).
//
// Source: https://c2sp.org/tlog-tiles, RFC 6962 §2.1.
package tile
