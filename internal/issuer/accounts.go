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

	// maxAccountsFile is how many bytes of accounts are read: some 50 000.
	maxAccountsFile = 16 << 20

	// lockPatience is how long a change waits for another process's.
	lockPatience = 5 * time.Second
)

// ErrExists says that there is an account of this address, or of one that
// differs only in case: remove that one first.
var ErrExists = errors.New("account exists")

// errAccounts says that the accounts can't be read now: nobody is refused, answer 503.
var errAccounts = errors.New("accounts can't be read")

// ErrNoAccount says that there is no account of this address.
var ErrNoAccount = errors.New("no such account")

// Account is somebody who can sign in.
type Account struct {
	// Email is the address as it was given, but for its domain, which is in lower
	// case. It is what certificates say of the holder, byte for byte.
	Email string `json:"email"`

	// Subject is the sub of the account's tokens: random, and never given to
	// another account, not even to a later one of the same address.
	Subject string `json:"subject"`

	// Added is when the account was made.
	Added time.Time `json:"added"`
}

// record is an account in the file.
type record struct {
	Account
	Password string `json:"password"` // PHC string
}

// file is accounts.json:
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

// Accounts are the accounts in an instance's directory. The file is read anew
// for each question and replaced at once by each change, under a lock, so any
// number of processes may use it, a running server among them.
type Accounts struct {
	fs     durable.FS
	dir    string
	cost   Cost
	failed atomic.Bool // the file could not be read the last time
}

// AccountsOptions says how new passwords are hashed.
type AccountsOptions struct {
	// Cost is of new hashes; zero: DefaultCost. Those in the file keep theirs.
	Cost Cost
	// FS is where they are; nil: durable.OS.
	FS durable.FS
}

// OpenAccounts opens the accounts in dir, which is made if missing.
func OpenAccounts(dir string) (*Accounts, error) {
	return OpenAccountsWith(dir, AccountsOptions{})
}

// OpenAccountsWith is OpenAccounts with options: for tests and for throw-away
// instances, whose passwords need not withstand guessing.
func OpenAccountsWith(dir string, o AccountsOptions) (*Accounts, error) {
	if o.Cost == (Cost{}) {
		o.Cost = DefaultCost()
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

// Add makes an account. Errors: ErrExists, and what makes the address or the
// password unfit.
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

// List gives the accounts in the order of their addition.
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

// Remove removes an account. Tokens that it holds live on for their minutes.
// Errors: ErrNoAccount.
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

// SetPassword gives an account another password, and leaves its subject as it is. Tokens
// that it holds live on for their minutes. Errors: ErrNoAccount, and what makes the
// password unfit.
func (a *Accounts) SetPassword(email string, password []byte) error {
	email, err := parseEmail(email)
	if err != nil {
		return fmt.Errorf("changing password: %w", err)
	}
	return a.replacePassword(email, password, func(r record) bool { return r.Email == email })
}

// changePassword is SetPassword for whoever has signed in as r. Errors: ErrNoAccount also
// if the account has got another password in the meantime.
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

// bySubject finds the account that tokens are issued to. Errors: ErrNoAccount.
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

// authenticate finds the account that email and password are of. Where there is
// none it takes as long as where the password is wrong. Errors: ErrNoAccount for
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

// Err returns why the accounts can't be read, nil if they could be the last time, or can be
// again.
func (a *Accounts) Err() error {
	if !a.failed.Load() {
		return nil
	}
	_, err := a.read()
	return err
}

// read reads the file; one that does not exist yet has no accounts. Errors: errAccounts.
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

// parseAccounts refuses a file that marshal would not have written.
func parseAccounts(raw []byte) (*file, error) {
	var f file
	if err := json.Unmarshal(raw, &f, json.RejectUnknownMembers(true)); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for i, r := range f.Accounts {
		email, err := parseEmail(r.Email)
		if err != nil || email != r.Email {
			return nil, fmt.Errorf("account %d: not an address in its own form", i+1)
		}
		if len(r.Subject) < 16 || strings.Contains(r.Subject, ":") {
			return nil, fmt.Errorf("account %d: not a subject", i+1)
		}
		if _, _, _, err := parseHash(r.Password); err != nil {
			return nil, fmt.Errorf("account %d: %w", i+1, err)
		}
		email = strings.ToLower(email)
		if seen[email] || seen[r.Subject] {
			return nil, fmt.Errorf("account %d: comes twice", i+1)
		}
		seen[email], seen[r.Subject] = true, true
	}
	return &f, nil
}

func (f *file) marshal() ([]byte, error) {
	raw, err := json.Marshal(f, jsontext.WithIndent("  "))
	return append(raw, '\n'), err
}

// change replaces the file by what edit makes of it.
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

// lock waits, for another process changes accounts in milliseconds.
func (a *Accounts) lock() (io.Closer, error) {
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		lock, err := a.fs.Lock(filepath.Join(a.dir, lockFile))
		if err == nil || !errors.Is(err, durable.ErrLocked) || time.Since(start) > lockPatience {
			return lock, err
		}
	}
}

func newSubject() string {
	var raw [16]byte
	rand.Read(raw[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(raw[:])
}
