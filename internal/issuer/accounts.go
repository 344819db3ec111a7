// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hallmark-sign/hallmark/internal/durable"
)

const (
	accountsFile = "accounts.json"
	lockFile     = "accounts.lock"

	// maxAccountsFile bounds the file, in bytes: about 50,000 accounts.
	maxAccountsFile = 16 << 20

	// lockTimeout bounds how long a change waits for that of another process.
	lockTimeout = 5 * time.Second
)

// ErrExists reports that an account with this address, or one that differs only
// in case, exists.
var ErrExists = errors.New("account exists")

// errAccounts reports that the accounts can't be read. A server responds with 503, so that
// no login is refused as wrong.
var errAccounts = errors.New("accounts can't be read")

// ErrNoAccount reports that there is no account with this address.
var ErrNoAccount = errors.New("no such account")

// An Account is a person who can sign in.
type Account struct {
	// Email is the address as given, with its domain in lower case. Certificates
	// contain it unchanged.
	Email string `json:"email"`

	// Subject is the sub of the account's tokens. It is random and never reused,
	// not even for a later account with the same address.
	Subject string `json:"subject"`

	// Added is the time of creation.
	Added time.Time `json:"added"`
}

// A record is an account in the file.
type record struct {
	Account
	Password string `json:"password"` // PHC string
}

// A file is the content of accounts.json:
//
//	{
//	  "accounts": [
//	    {
//	      "email": "alice@example.com",
//	      "subject": "mLhJ8mwEYc0SGmbDTd8Nkg",
//	      "added": "2026-05-01T12:00:00Z",
//	      "password": "$argon2id$v=19$m=65536,t=3,p=4$…$…"
//	    }
//	  ]
//	}
type file struct {
	Accounts []record `json:"accounts"`
}

// Accounts holds the accounts in an instance's directory. The file is read for each request
// and replaced atomically by each change, under a lock, so several processes may use it,
// including a running server.
type Accounts struct {
	fs     durable.FS
	dir    string
	cost   Cost
	failed atomic.Bool // the last read of the file failed
}

// AccountsOptions holds the settings of new passwords' hashes.
type AccountsOptions struct {
	// Cost is the cost of new hashes. Zero means the second recommended option of RFC 9106 §4.
	// Existing hashes keep theirs.
	Cost Cost
	// FS is the file system. Nil means durable.OS.
	FS durable.FS
}

// OpenAccounts opens the accounts in dir, which is created if missing.
func OpenAccounts(dir string) (*Accounts, error) {
	return OpenAccountsWith(dir, AccountsOptions{})
}

// OpenAccountsWith opens accounts with options, for tests and throw-away
// instances whose passwords need not withstand guessing.
func OpenAccountsWith(dir string, o AccountsOptions) (*Accounts, error) {
	if o.Cost == (Cost{}) {
		o.Cost = defaultCost()
	}
	if err := o.Cost.check(); err != nil {
		return nil, fmt.Errorf("opening accounts: %w", err)
	}
	if o.FS == nil {
		o.FS = durable.OS{}
	}
	if err := durable.MkdirAll(o.FS, dir, 0o700); err != nil {
		return nil, fmt.Errorf("opening accounts: %w", err)
	}
	a := &Accounts{fs: o.FS, dir: dir, cost: o.Cost}
	_, err := a.read()
	return a, err
}

// Add creates an account. Errors match [ErrExists] or describe an invalid
// address or password.
func (a *Accounts) Add(email string, password []byte) error {
	email, err := parseEmail(email)
	if err != nil {
		return fmt.Errorf("adding account: %w", err)
	}
	hash, err := newPassword(password, a.cost)
	if err != nil {
		return fmt.Errorf("adding account %s: %w", email, err)
	}
	r := record{Account{email, newSubject(), time.Now().UTC().Truncate(time.Second)}, hash}
	err = a.change(func(f *file) error {
		if slices.ContainsFunc(f.Accounts, func(other record) bool { return strings.EqualFold(other.Email, email) }) {
			return ErrExists
		}
		f.Accounts = append(f.Accounts, r)
		return nil
	})
	if err != nil {
		return fmt.Errorf("adding account %s: %w", email, err)
	}
	return nil
}

// List returns the accounts in the order of their creation.
func (a *Accounts) List() ([]Account, error) {
	f, err := a.read()
	if err != nil {
		return nil, err
	}
	all := make([]Account, len(f.Accounts))
	for i, r := range f.Accounts {
		all[i] = r.Account
	}
	return all, nil
}

// Remove removes an account. Its tokens stay valid until they expire. Errors
// match [ErrNoAccount].
func (a *Accounts) Remove(email string) error {
	email, err := parseEmail(email)
	if err != nil {
		return fmt.Errorf("removing account: %w", err)
	}
	err = a.change(func(f *file) error {
		i := f.find(email)
		if i < 0 {
			return ErrNoAccount
		}
		f.Accounts = slices.Delete(f.Accounts, i, i+1)
		return nil
	})
	if err != nil {
		return fmt.Errorf("removing account %s: %w", email, err)
	}
	return nil
}

// SetPassword sets the password of an account and keeps its subject. Its tokens
// stay valid until they expire. Errors match [ErrNoAccount] or describe an
// invalid password.
func (a *Accounts) SetPassword(email string, password []byte) error {
	email, err := parseEmail(email)
	if err != nil {
		return fmt.Errorf("changing password: %w", err)
	}
	return a.replacePassword(email, password, func(r record) bool { return r.Email == email })
}

// changePassword sets the password of an account for the person who has signed
// in as r. Errors match ErrNoAccount also if the password has changed in the
// meantime.
func (a *Accounts) changePassword(r record, password []byte) error {
	return a.replacePassword(r.Email, password, func(now record) bool { return now.Subject == r.Subject && now.Password == r.Password })
}

func (a *Accounts) replacePassword(email string, password []byte, is func(record) bool) error {
	hash, err := newPassword(password, a.cost)
	if err != nil {
		return fmt.Errorf("changing password of %s: %w", email, err)
	}
	err = a.change(func(f *file) error {
		i := slices.IndexFunc(f.Accounts, is)
		if i < 0 {
			return ErrNoAccount
		}
		f.Accounts[i].Password = hash
		return nil
	})
	if err != nil {
		return fmt.Errorf("changing password of %s: %w", email, err)
	}
	return nil
}

// bySubject returns the account with this subject. Errors match ErrNoAccount.
func (a *Accounts) bySubject(subject string) (Account, error) {
	f, err := a.read()
	if err != nil {
		return Account{}, err
	}
	i := slices.IndexFunc(f.Accounts, func(r record) bool { return r.Subject == subject })
	if i < 0 {
		return Account{}, ErrNoAccount
	}
	return f.Accounts[i].Account, nil
}

// authenticate returns the account with this email and password. A missing
// account takes as long as a wrong password. Errors match ErrNoAccount for
// both.
func (a *Accounts) authenticate(email string, password []byte) (record, error) {
	f, err := a.read()
	if err != nil {
		return record{}, err
	}
	i := -1
	if email, err := parseEmail(email); err == nil {
		i = f.find(email)
	}
	if i < 0 {
		cost := a.cost
		if len(f.Accounts) > 0 {
			cost = costOf(f.Accounts[0].Password)
		}
		cost.waste(password)
		return record{}, ErrNoAccount
	}
	if !matchesPassword(f.Accounts[i].Password, password) {
		return record{}, ErrNoAccount
	}
	return f.Accounts[i], nil
}

func (f *file) find(email string) int {
	return slices.IndexFunc(f.Accounts, func(r record) bool { return r.Email == email })
}

// err returns why the accounts can't be read, or nil if they can. It retries
// after a failure.
func (a *Accounts) err() error {
	if !a.failed.Load() {
		return nil
	}
	_, err := a.read()
	return err
}

// read reads the file. A missing file has no accounts. Errors match
// errAccounts.
func (a *Accounts) read() (*file, error) {
	f, err := a.readFile(filepath.Join(a.dir, accountsFile))
	a.failed.Store(err != nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errAccounts, err)
	}
	return f, nil
}

func (a *Accounts) readFile(path string) (*file, error) {
	info, err := a.fs.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return new(file), nil
	}
	if err == nil && info.Size() > maxAccountsFile {
		err = fmt.Errorf("%s has more than %d bytes", path, maxAccountsFile)
	}
	if err != nil {
		return nil, err
	}
	raw, err := durable.ReadFile(a.fs, path)
	if err != nil {
		return nil, err
	}
	f, err := parseAccounts(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// parseAccounts parses the file and refuses one that marshal would not have
// written.
func parseAccounts(raw []byte) (*file, error) {
	var f file
	if err := json.Unmarshal(raw, &f, json.RejectUnknownMembers(true)); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for i, r := range f.Accounts {
		email, err := parseEmail(r.Email)
		if err != nil || email != r.Email {
			return nil, fmt.Errorf("account %d: not a normalized address", i+1)
		}
		if len(r.Subject) < 16 || strings.Contains(r.Subject, ":") {
			return nil, fmt.Errorf("account %d: not a subject", i+1)
		}
		if _, _, _, err := parseHash(r.Password); err != nil {
			return nil, fmt.Errorf("account %d: %w", i+1, err)
		}
		email = strings.ToLower(email)
		if seen[email] || seen[r.Subject] {
			return nil, fmt.Errorf("account %d: occurs twice", i+1)
		}
		seen[email], seen[r.Subject] = true, true
	}
	return &f, nil
}

func (f *file) marshal() ([]byte, error) {
	raw, err := json.Marshal(f, jsontext.WithIndent("  "))
	return append(raw, '\n'), err
}

// change replaces the file after calling edit.
func (a *Accounts) change(edit func(*file) error) (err error) {
	lock, err := a.lock()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	f, err := a.read()
	if err != nil {
		return err
	}
	if err := edit(f); err != nil {
		return err
	}
	raw, err := f.marshal()
	if err != nil {
		return err
	}
	files := durable.Batch{FS: a.fs}
	return errors.Join(files.Write(filepath.Join(a.dir, accountsFile), raw, 0o600), files.Sync())
}

// lock waits for the lock, since other processes hold it for milliseconds only.
func (a *Accounts) lock() (io.Closer, error) {
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		lock, err := a.fs.Lock(filepath.Join(a.dir, lockFile))
		if err == nil || !errors.Is(err, durable.ErrLocked) || time.Since(start) > lockTimeout {
			return lock, err
		}
	}
}

func newSubject() string {
	var raw [16]byte
	rand.Read(raw[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// parseEmail parses the address of an account and converts its domain to lower
// case. The local part is kept and compared unchanged: its interpretation is up
// to the domain (RFC 5321 §2.4).
//
// "addr-spec = local-part "@" domain" (RFC 5322 §3.4.1), where local-part is a
// dot-atom of at most 64 bytes and domain a host name of at most 255 (RFC 5321
// §4.5.3.1): no quoted strings, comments, address literals or other scripts.
func parseEmail(text string) (string, error) {
	local, domain, ok := strings.Cut(text, "@")
	if !ok || !isDotAtom(local) || len(local) > 64 {
		return "", errors.New("not an email address such as alice@example.com")
	}
	domain = strings.ToLower(domain)
	if !isHostName(domain) {
		return "", errors.New("the part after @ is not a domain such as example.com")
	}
	return local + "@" + domain, nil
}

// isDotAtom reports whether text is "dot-atom-text = 1*atext *("." 1*atext)"
// (RFC 5322 §3.2.3).
func isDotAtom(text string) bool {
	for atom := range strings.SplitSeq(text, ".") {
		if atom == "" || strings.IndexFunc(atom, func(r rune) bool { return !isAtext(r) }) >= 0 {
			return false
		}
	}
	return true
}

func isAtext(r rune) bool {
	return isLetterOrDigit(r) || strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
}

func isLetterOrDigit(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// isHostName reports whether text consists of labels of letters, digits and
// inner hyphens (RFC 1123 §2.1).
func isHostName(text string) bool {
	if len(text) > 255 {
		return false
	}
	for label := range strings.SplitSeq(text, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.IndexFunc(label, func(r rune) bool { return !isLetterOrDigit(r) && r != '-' }) >= 0 {
			return false
		}
	}
	return true
}
