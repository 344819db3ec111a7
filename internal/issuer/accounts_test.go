// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// cheap returns options with a low cost, which is enough for the passwords of tests.
func cheap() AccountsOptions { return AccountsOptions{Cost: Cost{Time: 1, Memory: 64, Threads: 1}} }

func openCheap(t testing.TB, dir string) *Accounts {
	t.Helper()
	a, err := OpenAccountsWith(dir, cheap())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAccounts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "issuer")
	a, other := openCheap(t, dir), openCheap(t, dir)
	secret := []byte("correct horse battery")
	if err := a.Add("Alice@Example.COM", secret); err != nil {
		t.Fatal(err)
	}
	list, err := other.List() // as another process would
	if err != nil || len(list) != 1 || list[0].Email != "Alice@example.com" || list[0].Added.IsZero() {
		t.Fatalf("list is %v, %v", list, err)
	}
	found, err := other.authenticate("Alice@EXAMPLE.com", secret)
	if err != nil || found.Account != list[0] {
		t.Fatalf("authenticated %v, %v", found, err)
	}
	for _, email := range []string{"alice@example.com", "bob@example.com", "", "nonsense"} {
		if _, err := other.authenticate(email, secret); !errors.Is(err, ErrNoAccount) {
			t.Errorf("%q: %v", email, err)
		}
	}
	if _, err := other.authenticate("Alice@example.com", []byte("correct horse batterz")); !errors.Is(err, ErrNoAccount) {
		t.Errorf("wrong password: %v", err)
	}
	if err := other.Add("alice@example.com", secret); !errors.Is(err, ErrExists) {
		t.Errorf("an address that differs in case: %v", err)
	}
	if err := other.Remove("Alice@example.com"); err != nil {
		t.Fatal(err)
	}
	if err := a.Remove("Alice@example.com"); !errors.Is(err, ErrNoAccount) {
		t.Errorf("removed twice: %v", err)
	}
	if _, err := a.bySubject(found.Subject); !errors.Is(err, ErrNoAccount) {
		t.Errorf("subject of a removed account: %v", err)
	}
}

func TestAccountsFileTellsNothing(t *testing.T) {
	dir := t.TempDir()
	if err := openCheap(t, dir).Add("alice@example.com", []byte("correct horse battery")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, accountsFile)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode() != 0o600 {
		t.Errorf("mode is %v", info.Mode())
	}
	raw, err := os.ReadFile(path)
	if err != nil || bytes.Contains(raw, []byte("correct")) {
		t.Errorf("%s, %v", raw, err)
	}
}

func TestAccountsAddedAtOnce(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		a := openCheap(t, dir)
		wg.Go(func() {
			if err := a.Add(name+"@example.com", []byte("correct horse battery")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if list, err := openCheap(t, dir).List(); err != nil || len(list) != 6 {
		t.Errorf("%d accounts, %v", len(list), err)
	}
}

func TestPasswordsOfWrongLength(t *testing.T) {
	a := openCheap(t, t.TempDir())
	for _, password := range []string{"", "elevenchars", "ångström…", strings.Repeat("x", maxPassword+1), "correct horse \xff"} {
		if err := a.Add("alice@example.com", []byte(password)); err == nil {
			t.Errorf("a password of %d bytes was accepted", len(password))
		}
	}
	if _, err := a.read(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(a.dir, accountsFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file was written: %v", err)
	}
}

func TestParseEmail(t *testing.T) {
	for text, want := range map[string]string{
		"alice@example.com":                          "alice@example.com",
		"Al.Ice+x@EXAMPLE.com":                       "Al.Ice+x@example.com",
		"o'neill@sub.example-1.com":                  "o'neill@sub.example-1.com",
		"demo@localhost":                             "demo@localhost",
		"alice":                                      "",
		"@example.com":                               "",
		"alice@":                                     "",
		"alice@b@example.com":                        "",
		"alice.@example.com":                         "",
		".alice@example.com":                         "",
		"a..b@example.com":                           "",
		"alice @example.com":                         "",
		`"alice"@example.com`:                        "",
		"alice@[127.0.0.1]":                          "",
		"alice@example..com":                         "",
		"alice@-example.com":                         "",
		"alice@example.com ":                         "",
		"alice@example.com\n":                        "",
		"älice@example.com":                          "",
		"alice@exämple.com":                          "",
		"Alice <alice@example.com>":                  "",
		strings.Repeat("a", 65) + "@example.com":     "",
		"alice@" + strings.Repeat("a.", 128) + "com": "",
		"alice@" + strings.Repeat("a", 64) + ".com":  "",
	} {
		got, err := parseEmail(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

// TestReferenceHash checks a vector of the reference implementation's test suite
// (P-H-C/phc-winner-argon2, src/test.c).
func TestReferenceHash(t *testing.T) {
	const phc = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	if !matchesPassword(phc, []byte("password")) || matchesPassword(phc, []byte("Password")) {
		t.Error("not the reference's hash")
	}
}

func TestHashesMangled(t *testing.T) {
	phc, err := hashPassword([]byte("correct horse battery"), cheap().Cost)
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(phc) {
		bad := []byte(phc)
		bad[i] ^= 1
		if matchesPassword(string(bad), []byte("correct horse battery")) {
			t.Errorf("still matches with byte %d changed: %s", i, bad)
		}
	}
	for _, bad := range []string{
		"", phc + "$", strings.Replace(phc, "m=64", "m=064", 1), strings.Replace(phc, "m=64", "m=4294967295", 1),
		strings.Replace(phc, "t=1", "t=17", 1), strings.Replace(phc, "p=1", "p=0", 1), strings.Replace(phc, "argon2id", "argon2i", 1),
		strings.Replace(phc, "m=64,t=1", "t=1,m=64", 1),
	} {
		if _, _, _, err := parseHash(bad); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

func TestAccountsFileRefused(t *testing.T) {
	dir := t.TempDir()
	if err := openCheap(t, dir).Add("alice@example.com", []byte("correct horse battery")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, accountsFile)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	good := string(raw)
	twice := good[strings.Index(good, "{\n      "):strings.LastIndex(good, "\n  ]")]
	for what, bad := range map[string]string{
		"empty":           "",
		"unknown member":  strings.Replace(good, `"added"`, `"role": "admin", "added"`, 1),
		"doubled member":  strings.Replace(good, `"subject"`, `"email": "eve@example.com", "subject"`, 1),
		"trailing data":   good + "{}",
		"other case":      strings.Replace(good, `"email"`, `"Email"`, 1),
		"upper domain":    strings.Replace(good, "example.com", "Example.com", 1),
		"no subject":      strings.Replace(good, `"subject"`, `"added": "2026-01-01T00:00:00Z", "subjects"`, 1),
		"foreign hash":    strings.Replace(good, "$argon2id", "$2b", 1),
		"account doubled": strings.Replace(good, twice, twice+","+twice, 1),
	} {
		if bad == good {
			t.Fatalf("%s: nothing was changed", what)
		}
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenAccounts(dir); err == nil {
			t.Errorf("%s: was read", what)
		}
	}
}

// FuzzAccounts checks that parsing and marshalling a file returns the same bytes.
func FuzzAccounts(f *testing.F) {
	f.Add([]byte(`{"accounts":[{"email":"a@b.c","subject":"0123456789abcdef","added":"2026-01-01T00:00:00Z",` +
		`"password":"$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}`))
	f.Add([]byte(`{"accounts":null}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		file, err := parseAccounts(raw)
		if err != nil {
			return
		}
		written, err := file.marshal()
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseAccounts(written)
		if err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		if rewritten, err := again.marshal(); err != nil || !bytes.Equal(written, rewritten) {
			t.Fatalf("%s became %s, %v", written, rewritten, err)
		}
	})
}
