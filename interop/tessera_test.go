// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/certificate-transparency-go/tls"
	fnote "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/api/layout"
	tclient "github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"

	ct "github.com/google/certificate-transparency-go"

	hclient "github.com/hallmark-sign/hallmark/client"
	"github.com/hallmark-sign/hallmark/hallmarktest"
	"github.com/hallmark-sign/hallmark/wire/rekor"
)

// tesseraSize is the number of entries in the logs: two full tiles and a partial one.
const tesseraSize = 600

// TestTessera checks that Tessera's client and its fsck accept both logs of an instance, prove
// inclusion, and detect one flipped byte in any tile.
func TestTessera(t *testing.T) {
	instance := hallmarktest.Start(t, hallmarktest.Options{Witness: true})
	r := requestOf(t, instance)
	fill(t, instance)
	dir := filepath.Dir(filepath.Dir(instance.TrustedRootFile))
	ctKey := instance.Root.CTLogs[0]
	vkey, err := fnote.RFC6962VerifierString(ctKey.BaseURL, ctKey.Key)
	if err != nil {
		t.Fatal(err)
	}
	ctVerifier, err := fnote.NewRFC6962Verifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(instance.URL, "http://")
	for name, log := range map[string]struct {
		origin   string
		verifier note.Verifier
		fetcher  fsck.Fetcher
		hash     func([]byte) ([][]byte, error)
		dir      string
	}{
		"Rekor log": {hostname(t, instance.URL), logVerifier(t, r), httpFetcher(t, instance.URL+"/api/v2/"), hashBundle, "rekor"},
		"CT log":    {host + "/ct", ctVerifier, dataFetcher{httpFetcher(t, instance.URL+"/ct/"), instance.URL + "/ct"}, hashDataTile, "ct"},
	} {
		t.Run(name, func(t *testing.T) {
			check := func() error {
				return fsck.New(log.origin, log.verifier, log.fetcher, log.hash, fsck.Opts{N: 2}).Check(t.Context())
			}
			waitForSize(t, log.fetcher, log.verifier, log.origin)
			if err := check(); err != nil {
				t.Fatalf("fsck: %v", err)
			}
			proveWithTessera(t, log.fetcher, log.verifier, log.origin)
			entries := map[string]string{"rekor": "entries", "ct": "data"}[log.dir]
			for _, tile := range []string{"tile/0/001", "tile/1/000.p/2", "tile/" + entries + "/001"} {
				path := filepath.Join(dir, log.dir, tile)
				flipByte(t, path, 40)
				if err := check(); err == nil {
					t.Errorf("fsck: %s with a byte flipped passes", tile)
				}
				flipByte(t, path, 40)
			}
		})
	}
	t.Run("package note", func(t *testing.T) { openWithNote(t, dir) })
}

// openWithNote: the Ed25519 line that stands on a checkpoint for witnesses is one that
// x/mod's own verifier reads.
func openWithNote(t *testing.T, dir string) {
	vkey, err := os.ReadFile(filepath.Join(dir, "trust", "rekor.vkey"))
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(string(vkey)))
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := os.ReadFile(filepath.Join(dir, "rekor", "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := note.Open(envelope, note.VerifierList(verifier)); err != nil || len(n.Sigs) != 1 {
		t.Errorf("%v\n%s", err, envelope)
	}
}

// fill adds entries to both logs.
func fill(t *testing.T, instance *hallmarktest.Instance) {
	t.Helper()
	h := hclient.NewHTTP(time.Minute, nil)
	log := hclient.Rekor{URL: instance.URL, HTTP: h}
	ca := hclient.Fulcio{URL: instance.URL, HTTP: h, Token: instance.Token(t, alice)}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	add := func(i int) error {
		digest := sha256.Sum256(fmt.Append(nil, i))
		signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
		if err != nil {
			return err
		}
		_, err = log.Add(t.Context(), rekor.HashedRekord{
			Digest: digest[:], Signature: signature, Verifier: rekor.Verifier{PublicKey: spki, KeyDetails: "PKIX_ECDSA_P256_SHA_256"},
		})
		if err == nil {
			_, err = ca.Certify(t.Context(), key)
		}
		return err
	}
	errs := make([]error, tesseraSize)
	limit := make(chan struct{}, 32)
	var wait sync.WaitGroup
	for i := range tesseraSize {
		wait.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			errs[i] = add(i)
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func httpFetcher(t *testing.T, base string) *tclient.HTTPFetcher {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	f, err := tclient.NewHTTPFetcher(u, nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// dataFetcher reads data tiles where HTTPFetcher knows entry bundles only.
type dataFetcher struct {
	*tclient.HTTPFetcher
	base string
}

func (f dataFetcher) ReadEntryBundle(ctx context.Context, n uint64, partial uint8) ([]byte, error) {
	return tiles{ctx, f.base}.get("/tile/data/" + layout.NWithSuffix(0, n, partial))
}

// hashBundle hashes the entries of an entry bundle, as Tessera's own fsck command does.
func hashBundle(raw []byte) ([][]byte, error) {
	var bundle api.EntryBundle
	if err := bundle.UnmarshalText(raw); err != nil {
		return nil, err
	}
	var hashes [][]byte
	for _, entry := range bundle.Entries {
		hashes = append(hashes, rfc6962.DefaultHasher.HashLeaf(entry))
	}
	return hashes, nil
}

// hashDataTile hashes the entries of a data tile by the structures of
// certificate-transparency-go: of a TileLeaf, what comes before the precertificate.
func hashDataTile(raw []byte) ([][]byte, error) {
	var hashes [][]byte
	for len(raw) > 0 {
		var entry ct.TimestampedEntry
		rest, err := tls.Unmarshal(raw, &entry)
		if err != nil {
			return nil, err
		}
		leaf := append([]byte{0, 0}, raw[:len(raw)-len(rest)]...)
		hashes = append(hashes, rfc6962.DefaultHasher.HashLeaf(leaf))
		if len(rest) < 3 {
			return nil, errors.New("no precertificate")
		}
		rest = rest[min(len(rest), 3+int(rest[0])<<16+int(rest[1])<<8+int(rest[2])):]
		if len(rest) < 2 {
			return nil, errors.New("no chain")
		}
		raw = rest[min(len(rest), 2+int(binary.BigEndian.Uint16(rest))):]
	}
	return hashes, nil
}

// waitForSize waits until the log shows all that was added, and no more will come.
func waitForSize(t *testing.T, f fsck.Fetcher, v note.Verifier, origin string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		c, _, _, err := tclient.FetchCheckpoint(t.Context(), f.ReadCheckpoint, v, origin)
		if err != nil {
			t.Fatal(err)
		}
		if c.Size == tesseraSize {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the log shows %d entries, of %d", c.Size, tesseraSize)
		}
	}
}

// proveWithTessera follows the log and proves inclusion with Tessera.
func proveWithTessera(t *testing.T, f fsck.Fetcher, v note.Verifier, origin string) {
	t.Helper()
	raw, err := f.ReadCheckpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tclient.NewLogStateTracker(t.Context(), f.ReadTile, raw, v, origin, tclient.UnilateralConsensus(f.ReadCheckpoint)); err != nil {
		t.Errorf("following: %v", err)
	}
	proofs, err := tclient.NewProofBuilder(t.Context(), tesseraSize, f.ReadTile)
	if err != nil {
		t.Fatal(err)
	}
	for _, index := range []uint64{0, 255, 256, tesseraSize - 1} {
		if _, err := proofs.InclusionProof(t.Context(), index); err != nil {
			t.Errorf("entry %d: %v", index, err)
		}
	}
	if _, err := proofs.ConsistencyProof(t.Context(), 300, tesseraSize); err != nil {
		t.Errorf("consistency: %v", err)
	}
}

func flipByte(t *testing.T, path string, at int) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[at] ^= 1
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestTesseraWrites checks that hallmark checks a log that Tessera wrote, in its directory and
// over HTTP by a plain web server, and detects a flipped byte.
func TestTesseraWrites(t *testing.T) {
	dir := t.TempDir()
	const name = "tessera.example.com/log"
	secret, vkey, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	writeWithTessera(t, dir, secret)
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	for _, log := range []string{dir, server.URL} {
		for _, args := range [][]string{
			{"check", log}, {"show", log, "300"}, {"prove", log, "300"}, {"consistency", log, "17", "513"},
			{"follow", log, "--from", "250", "--until-size", "600"},
		} {
			if err := hallmark(t, append(append([]string{"log"}, args...), "--log-key", vkey)...); err != nil {
				t.Errorf("%v: %v", args, err)
			}
		}
	}
	flipByte(t, filepath.Join(dir, "tile/entries/001"), 7)
	for _, log := range []string{dir, server.URL} {
		if err := hallmark(t, "log", "check", log, "--log-key", vkey); err == nil || !strings.Contains(err.Error(), "tile/entries/001: damaged") {
			t.Errorf("%s: a flipped byte: %v", log, err)
		}
	}
}

func writeWithTessera(t *testing.T, dir, secret string) {
	t.Helper()
	signer, err := note.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	driver, err := posix.New(t.Context(), posix.Config{Path: dir})
	if err != nil {
		t.Fatal(err)
	}
	appender, stop, _, err := tessera.NewAppender(t.Context(), driver, tessera.NewAppendOptions().
		WithCheckpointSigner(signer).WithBatching(200, 50*time.Millisecond).WithCheckpointInterval(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	var futures []tessera.IndexFuture
	for i := range tesseraSize {
		futures = append(futures, appender.Add(t.Context(), tessera.NewEntry(fmt.Appendf(nil, "what Tessera logs, %d", i))))
	}
	for _, f := range futures {
		if _, err := f(); err != nil {
			t.Fatal(err)
		}
	}
	if err := stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}
