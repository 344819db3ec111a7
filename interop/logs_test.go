// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	flog "github.com/transparency-dev/formats/log"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sigstore/rekor-tiles/v2/pkg/generated/protobuf"
	rekornote "github.com/sigstore/rekor-tiles/v2/pkg/note"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore/pkg/signature"
	"google.golang.org/protobuf/encoding/protojson"
)

// published bounds the wait for a checkpoint that covers an entry: a log may
// answer from its journal before its files say so.
const published = 10 * time.Second

// tiles reads a log's files over HTTP for x/mod's own Merkle arithmetic, which
// checks every tile that it uses against the tree head.
type tiles struct {
	ctx  context.Context
	base string // what comes before "/checkpoint" and "/tile/"
}

func (l tiles) get(path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(l.ctx, http.MethodGet, l.base+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("getting %s: %s: %s", path, resp.Status, body)
	}
	return body, err
}

func (l tiles) Height() int { return 8 }

func (l tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (l tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range wanted {
		// tlog-tiles leaves the height out of the path
		data, err := l.get("/tile/" + strings.TrimPrefix(tile.Path(), "tile/8/"))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

// leaves returns the file with entry index, of a tree of that size.
func (l tiles) leaves(kind string, index, size int64) ([]byte, error) {
	tile := tlog.Tile{H: 8, L: 0, N: index / 256, W: int(min(256, size-index/256*256))}
	return l.get("/tile/" + kind + strings.TrimPrefix(tile.Path(), "tile/8/0"))
}

// prove checks that the tree holds the record at index, by its tiles alone.
func (l tiles) prove(tree tlog.Tree, index int64, record tlog.Hash) error {
	proof, err := tlog.ProveRecord(tree.N, index, tlog.TileHashReader(tree, l))
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, tree.N, tree.Hash, index, record)
}

// covering waits for a checkpoint of more than index entries.
func (l tiles) covering(t *testing.T, index int64, open func([]byte) (tlog.Tree, error)) tlog.Tree {
	t.Helper()
	for deadline := time.Now().Add(published); ; time.Sleep(20 * time.Millisecond) {
		raw, err := l.get("/checkpoint")
		if err != nil {
			t.Fatal(err)
		}
		tree, err := open(raw)
		if err != nil {
			t.Fatalf("opening checkpoint: %v\n%s", err, raw)
		}
		if tree.N > index {
			return tree
		}
		if time.Now().After(deadline) {
			t.Fatalf("no checkpoint covers entry %d after %v, the last has %d", index, published, tree.N)
		}
	}
}

// TestTransparencyLog reads the log's own files, with other people's parsers,
// and finds in them what the bundle claims.
func TestTransparencyLog(t *testing.T) {
	r := newRequest(t)
	for range 3 { // so that there is a path to prove
		if err := sigstoreGoSign(t, r); err != nil {
			t.Fatal(err)
		}
	}
	signed, err := bundle.LoadJSONFromPath(r.bundle)
	if err != nil {
		t.Fatal(err)
	}
	entry := signed.GetVerificationMaterial().GetTlogEntries()[0]
	verifier := logVerifier(t, r)
	log := tiles{ctx: t.Context(), base: r.url + "/api/v2"}
	tree := log.covering(t, entry.LogIndex, func(raw []byte) (tlog.Tree, error) {
		checkpoint, _, _, err := flog.ParseCheckpoint(raw, verifier.Name(), verifier)
		if err != nil {
			return tlog.Tree{}, err
		}
		return tlog.Tree{N: int64(checkpoint.Size), Hash: tlog.Hash(checkpoint.Hash)}, nil
	})
	if err := log.prove(tree, entry.LogIndex, tlog.RecordHash(entry.CanonicalizedBody)); err != nil {
		t.Errorf("entry %d: %v", entry.LogIndex, err)
	}
	var parsed protobuf.Entry
	stored := entryBundleAt(t, log, entry.LogIndex, tree.N)
	if string(stored) != string(entry.CanonicalizedBody) {
		t.Errorf("entry bundle holds %s", stored)
	}
	if err := protojson.Unmarshal(stored, &parsed); err != nil {
		t.Errorf("rekor-tiles reading the entry: %v", err)
	}
}

// logVerifier returns the verifier of the only transparency log of the trusted root.
func logVerifier(t *testing.T, r request) note.Verifier {
	t.Helper()
	trusted, err := root.NewTrustedRootFromPath(r.trustedRoot)
	if err != nil {
		t.Fatal(err)
	}
	for _, log := range trusted.RekorLogs() {
		key, err := signature.LoadVerifier(log.PublicKey, log.SignatureHashFunc)
		if err != nil {
			t.Fatal(err)
		}
		verifier, err := rekornote.NewNoteVerifier(hostname(t, log.BaseURL), key)
		if err != nil {
			t.Fatal(err)
		}
		return verifier
	}
	t.Fatal("no transparency log in the trusted root")
	return nil
}

// entryBundleAt walks an entry bundle: 16-bit length, entry, 16-bit length, …
func entryBundleAt(t *testing.T, log tiles, index, size int64) []byte {
	t.Helper()
	data, err := log.leaves("entries", index, size)
	if err != nil {
		t.Fatal(err)
	}
	for range index % 256 {
		data = data[2+int(data[0])<<8+int(data[1]):]
	}
	return data[2 : 2+int(data[0])<<8+int(data[1])]
}
