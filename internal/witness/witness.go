// SPDX-License-Identifier: Apache-2.0

package witness

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
	"github.com/hallmark-sign/hallmark/wire/tile"
	"github.com/hallmark-sign/hallmark/wire/witness"
)

// Reasons not to cosign a checkpoint. The protocol has a status for each.
var (
	errUnknownLog = errors.New("unknown log")
	errSignature  = errors.New("checkpoint is not signed by its log")
	errOldSize    = errors.New("old size exceeds that of the checkpoint, or that is too large")
	errProof      = errors.New("checkpoint is not proven to be consistent with the last")
	errFork       = errors.New("checkpoint has another root than the last one of this size")
	errPersist    = errors.New("checkpoint can't be persisted")
)

// conflict reports that the old size is not the last cosigned size.
type conflict struct{ size uint64 }

func (c *conflict) Error() string {
	return fmt.Sprintf("the last checkpoint cosigned is of size %d", c.size)
}

// Options holds the settings of a witness. All fields but FS are required.
type Options struct {
	Dir    string     // created if missing; if it is lost the witness must be retired
	FS     durable.FS // file system of Dir; nil means durable.OS
	Name   string     // a URL without scheme, on cosignature lines
	Key    ed25519.PrivateKey
	Logs   []checkpoint.Key // the name is the log's origin
	Clock  func() time.Time
	Logger *slog.Logger
}

// A Witness cosigns checkpoints. It is safe for concurrent use.
type Witness struct {
	o      Options
	signer note.Signer
	lock   io.Closer
	logs   map[string]*log // by origin; not changed after New

	mu      sync.Mutex      // guards noted
	noted   map[string]seen // wanted content of the start marker
	writing sync.Mutex      // held while the start marker is written

	failed  atomic.Bool   // the last write failed
	behind  chan struct{} // capacity 1: the start marker is behind
	once    sync.Once
	closing chan struct{} // closed by Close
	stopped chan struct{} // closed when noteAll has returned
}

// A log is a witnessed log.
type log struct {
	verifiers []note.Verifier
	file      string

	mu   sync.Mutex // held while the last checkpoint is compared and replaced
	last checkpoint.Checkpoint
}

// New opens the witness in o.Dir. Errors match [durable.ErrLocked] or
// [ErrWentBack]. A state that is not signed by its log is refused too.
func New(o Options) (*Witness, error) {
	if o.FS == nil {
		o.FS = durable.OS{}
	}
	w := &Witness{
		o: o, logs: make(map[string]*log),
		behind: make(chan struct{}, 1), closing: make(chan struct{}), stopped: make(chan struct{}),
	}
	if err := w.open(); err != nil {
		if w.lock != nil {
			w.lock.Close()
		}
		return nil, fmt.Errorf("opening witness: %w", err)
	}
	go w.noteAll()
	return w, nil
}

func (w *Witness) open() (err error) {
	if w.signer, err = checkpoint.NewCosigner(w.o.Name, w.o.Key, w.o.Clock); err != nil {
		return err
	}
	if err := durable.MkdirAll(w.o.FS, w.o.Dir, 0o755); err != nil {
		return err
	}
	if w.lock, err = w.o.FS.Lock(filepath.Join(w.o.Dir, "lock")); err != nil {
		return err
	}
	for _, key := range w.o.Logs {
		verifier, err := key.Verifier()
		if err != nil {
			return err
		}
		if key.Cosigning {
			return fmt.Errorf("%s is the key of a witness, not of a log", key)
		}
		if w.logs[key.Name] == nil {
			sum := sha256.Sum256([]byte(key.Name))
			w.logs[key.Name] = &log{file: filepath.Join(w.o.Dir, hex.EncodeToString(sum[:]))}
		}
		l := w.logs[key.Name]
		l.verifiers = append(l.verifiers, verifier)
	}
	return w.load()
}

// load reads the last cosigned checkpoint of each log and compares it with the
// start marker.
func (w *Witness) load() (err error) {
	if w.noted, err = w.o.readMarker(); err != nil {
		return err
	}
	for origin, l := range w.logs {
		if err := l.load(w.o.FS, origin); err != nil {
			return err
		}
		if before, ok := w.noted[origin]; ok {
			if err := before.check(origin, l.last); err != nil {
				return err
			}
		}
		if l.last.Origin != "" {
			w.noted[origin] = seen{l.last.Size, l.last.Root}
		}
	}
	return w.writeMarker()
}

// load reads the last cosigned checkpoint. Without a file, none was cosigned.
func (l *log) load(fsys durable.FS, origin string) error {
	raw, err := durable.ReadFile(fsys, l.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	l.last, _, err = checkpoint.Open(raw, l.verifiers...)
	if err == nil && l.last.Origin != origin {
		err = fmt.Errorf("it is of %s", l.last.Origin)
	}
	if err != nil {
		return fmt.Errorf("reading the last checkpoint of %s: %w", origin, err)
	}
	return nil
}

// Close releases the directory.
func (w *Witness) Close() error {
	w.once.Do(func() { close(w.closing) })
	<-w.stopped
	return w.lock.Close()
}

// cosign checks a request and returns the cosignature lines (tlog-witness,
// "add-checkpoint", in its order).
func (w *Witness) cosign(r witness.Request) ([]byte, error) {
	// "If the checkpoint origin is unknown, the witness MUST respond with a 404".
	origin, _, _ := strings.Cut(string(r.Checkpoint), "\n")
	l, ok := w.logs[origin]
	if !ok {
		return nil, errUnknownLog
	}
	// "it MUST ignore signatures from unknown keys. … If none of the signatures
	// verify against a trusted public key, … 403".
	c, n, err := checkpoint.Open(r.Checkpoint, l.verifiers...)
	if err != nil || c.Origin != origin {
		return nil, fmt.Errorf("%w: %w", errSignature, err)
	}
	// "The old size MUST be equal to or lower than the checkpoint size." No log
	// exceeds the size that proofs are checked for.
	if r.Old > c.Size || c.Size > tile.MaxSize {
		return nil, errOldSize
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.follows(c, r); err != nil {
		return nil, err
	}
	if c.Size > l.last.Size || l.last.Origin == "" {
		if err := l.persist(w, c, n); err != nil {
			return nil, err
		}
	}
	return w.lines(n.Text)
}

// follows checks that c may be cosigned after the last checkpoint.
func (l *log) follows(c checkpoint.Checkpoint, r witness.Request) error {
	// "The witness MUST check that the old size matches the size of the latest
	// checkpoint it cosigned … (or zero if it never cosigned a checkpoint …)."
	if r.Old != l.last.Size {
		return &conflict{l.last.Size}
	}
	// "If the old size matches the checkpoint size, the witness MUST check that
	// the root hashes are also identical." There is nothing to check without a
	// last checkpoint.
	if r.Old == c.Size && l.last.Origin != "" && c.Root != l.last.Root {
		return errFork
	}
	// "The proof MUST be empty if the old size is zero."
	if r.Old == 0 && len(r.Proof) > 0 {
		return errProof
	}
	if r.Old == 0 {
		return nil
	}
	if err := tile.VerifyConsistency(r.Proof, l.last.Size, l.last.Root, c.Size, c.Root); err != nil {
		return fmt.Errorf("%w: %w", errProof, err)
	}
	return nil
}

// persist writes the checkpoint: "The witness MUST persist the new checkpoint
// before responding."
func (l *log) persist(w *Witness, c checkpoint.Checkpoint, n *note.Note) error {
	raw, err := note.Sign(&note.Note{Text: n.Text, Sigs: n.Sigs})
	if err != nil {
		return err
	}
	files := durable.Batch{FS: w.o.FS}
	if err := errors.Join(files.Write(l.file, raw, 0o644), files.Sync()); err != nil {
		w.failing()
		return fmt.Errorf("%w: %w", errPersist, err)
	}
	l.last = c
	if err := w.note(c); err != nil {
		return fmt.Errorf("%w: %w", errPersist, err)
	}
	return nil
}

// lines returns the cosignature lines of a checkpoint's text.
func (w *Witness) lines(text string) ([]byte, error) {
	cosigned, err := note.Sign(&note.Note{Text: text}, w.signer)
	if err != nil {
		return nil, err
	}
	return cosigned[len(text)+1:], nil
}
