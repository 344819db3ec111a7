// SPDX-License-Identifier: Apache-2.0

package tile

import (
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// A tree is an in-memory tree by x/mod/sumdb/tlog, the oracle of these tests.
type tree struct {
	stored []tlog.Hash
	leaves []tlog.Hash
}

func (tr *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		hashes[i] = tr.stored[index]
	}
	return hashes, nil
}

func (tr *tree) append(t testing.TB, entry []byte) {
	t.Helper()
	leaf := LeafHash(entry)
	hashes, err := tlog.StoredHashesForRecordHash(int64(len(tr.leaves)), leaf, tr)
	if err != nil {
		t.Fatal(err)
	}
	tr.stored = append(tr.stored, hashes...)
	tr.leaves = append(tr.leaves, leaf)
}

func (tr *tree) root(t testing.TB, size int) tlog.Hash {
	t.Helper()
	root, err := tlog.TreeHash(int64(size), tr)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func newTree(t testing.TB, size int) *tree {
	t.Helper()
	tr := &tree{}
	for i := range size {
		tr.append(t, []byte{byte(i), byte(i >> 8)})
	}
	return tr
}

// TestRFC6962Vectors uses the leaves and roots of the Certificate Transparency
// project, which every RFC 6962 implementation is tested with.
func TestRFC6962Vectors(t *testing.T) {
	leaves := []string{"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"}
	roots := []string{
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
		"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
		"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
		"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	}
	tr := &tree{}
	for i, leaf := range leaves {
		entry, err := hex.DecodeString(leaf)
		if err != nil {
			t.Fatal(err)
		}
		tr.append(t, entry)
		want, err := hex.DecodeString(roots[i])
		if err != nil {
			t.Fatal(err)
		}
		for index := range i + 1 {
			proof, err := tlog.ProveRecord(int64(i+1), int64(index), tr)
			if err != nil {
				t.Fatal(err)
			}
			p := InclusionProof{Index: uint64(index), Size: uint64(i + 1), Hashes: proof}
			if err := p.Verify(tlog.Hash(want), tr.leaves[index]); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestInclusionAgainstOracle(t *testing.T) {
	const max = 131
	tr := newTree(t, max)
	for size := 1; size <= max; size++ {
		root := tr.root(t, size)
		for index := range size {
			hashes, err := tlog.ProveRecord(int64(size), int64(index), tr)
			if err != nil {
				t.Fatal(err)
			}
			p := InclusionProof{Index: uint64(index), Size: uint64(size), Hashes: hashes}
			if err := p.Verify(root, tr.leaves[index]); err != nil {
				t.Fatalf("%d of %d: %v", index, size, err)
			}
			if err := p.Verify(root, tlog.Hash{}); !errors.Is(err, ErrProof) {
				t.Fatalf("%d of %d: another leaf verifies: %v", index, size, err)
			}
		}
	}
}

func TestMangledInclusionProofs(t *testing.T) {
	tr := newTree(t, 100)
	root, leaf := tr.root(t, 100), tr.leaves[37]
	hashes, err := tlog.ProveRecord(100, 37, tr)
	if err != nil {
		t.Fatal(err)
	}
	good := InclusionProof{Index: 37, Size: 100, Hashes: hashes}
	refused := func(name string, p InclusionProof) {
		t.Helper()
		if err := p.Verify(root, leaf); !errors.Is(err, ErrProof) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range hashes {
		for b := range tlog.HashSize {
			p := good
			p.Hashes = slices.Clone(hashes)
			p.Hashes[i][b] ^= 1
			refused("flipped", p)
		}
	}
	refused("short", InclusionProof{Index: 37, Size: 100, Hashes: hashes[1:]})
	refused("long", InclusionProof{Index: 37, Size: 100, Hashes: append(slices.Clone(hashes), tlog.Hash{})})
	refused("index", InclusionProof{Index: 36, Size: 100, Hashes: hashes})
	refused("beyond", InclusionProof{Index: 100, Size: 100, Hashes: hashes})
	refused("empty", InclusionProof{})
	refused("absurd", InclusionProof{Index: 1 << 63, Size: 1<<64 - 1, Hashes: hashes})
}

func TestConsistency(t *testing.T) {
	const max = 70
	tr := newTree(t, max)
	empty := tr.root(t, 0)
	for newSize := 0; newSize <= max; newSize++ {
		newRoot := tr.root(t, newSize)
		if err := VerifyConsistency(nil, 0, empty, uint64(newSize), newRoot); err != nil {
			t.Errorf("empty to %d: %v", newSize, err)
		}
		for oldSize := 1; oldSize <= newSize; oldSize++ {
			proof, err := tlog.ProveTree(int64(newSize), int64(oldSize), tr)
			if err != nil {
				t.Fatal(err)
			}
			oldRoot := tr.root(t, oldSize)
			check := func(proof []tlog.Hash, oldRoot tlog.Hash) error {
				return VerifyConsistency(proof, uint64(oldSize), oldRoot, uint64(newSize), newRoot)
			}
			if err := check(proof, oldRoot); err != nil {
				t.Errorf("%d to %d: %v", oldSize, newSize, err)
			}
			if err := check(proof, tlog.Hash{}); !errors.Is(err, ErrProof) {
				t.Errorf("%d to %d from another root: %v", oldSize, newSize, err)
			}
			if err := check(append(slices.Clone(proof), tlog.Hash{}), oldRoot); !errors.Is(err, ErrProof) {
				t.Errorf("%d to %d with a hash too many: %v", oldSize, newSize, err)
			}
			for i := range proof {
				mangled := slices.Clone(proof)
				mangled[i][i%tlog.HashSize] ^= 4
				if err := check(mangled, oldRoot); !errors.Is(err, ErrProof) {
					t.Errorf("%d to %d mangled: %v", oldSize, newSize, err)
				}
			}
		}
	}
}

func TestConsistencyRefuses(t *testing.T) {
	tr := newTree(t, 3)
	root := tr.root(t, 3)
	empty := tr.root(t, 0)
	for name, err := range map[string]error{
		"shrinking":            VerifyConsistency(nil, 4, root, 3, root),
		"absurd":               VerifyConsistency(nil, 3, root, 1<<63, root),
		"equal, roots differ":  VerifyConsistency(nil, 3, root, 3, empty),
		"empty with proof":     VerifyConsistency([]tlog.Hash{root}, 0, empty, 3, root),
		"empty with a root":    VerifyConsistency(nil, 0, root, 3, root),
		"both empty, new root": VerifyConsistency(nil, 0, empty, 0, root),
	} {
		if !errors.Is(err, ErrProof) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzInclusionProof(f *testing.F) {
	f.Add(uint64(37), uint64(100), make([]byte, 7*32))
	f.Fuzz(func(t *testing.T, index, size uint64, raw []byte) {
		p := InclusionProof{Index: index, Size: size}
		for len(raw) >= 32 && len(p.Hashes) < 80 {
			p.Hashes = append(p.Hashes, tlog.Hash(raw[:32]))
			raw = raw[32:]
		}
		root, err := p.root(tlog.Hash{})
		if err == nil && tlog.CheckRecord(p.Hashes, int64(size), root, int64(index), tlog.Hash{}) != nil {
			t.Errorf("the oracle refuses %+v", p)
		}
	})
}
