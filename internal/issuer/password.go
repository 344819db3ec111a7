// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// PasswordRule is the rule for passwords, in words.
const PasswordRule = "12 characters or more, of any kind"

const (
	// minPassword is in characters, maxPassword in bytes.
	minPassword = 12
	maxPassword = 1024

	saltSize = 16 // RFC 9106 §3.1: 16 bytes are recommended
	hashSize = 32
)

// A Cost has the parameters of Argon2id, which determine the cost of one guess.
type Cost struct {
	Time    uint32 // passes
	Memory  uint32 // KiB
	Threads uint8
}

// defaultCost returns the second recommended option of RFC 9106 §4: "t=3
// iterations, p=4 lanes, m=2^(16) (64 MiB of RAM)".
func defaultCost() Cost { return Cost{Time: 3, Memory: 64 << 10, Threads: 4} }

// check bounds the cost that a file may specify. RFC 9106 §3.1: memory is "from
// 8*p to 2^(32)-1".
func (c Cost) check() error {
	if c.Time < 1 || c.Time > 16 || c.Threads < 1 || c.Threads > 16 ||
		c.Memory < 8*uint32(c.Threads) || c.Memory > 1<<20 {
		return fmt.Errorf("argon2id with t=%d, m=%d, p=%d is out of bounds", c.Time, c.Memory, c.Threads)
	}
	return nil
}

func (c Cost) key(password, salt []byte, size int) []byte {
	return argon2.IDKey(password, salt, c.Time, c.Memory, c.Threads, uint32(size))
}

// waste takes as long as a comparison.
func (c Cost) waste(password []byte) { c.key(password, make([]byte, saltSize), hashSize) }

// unfit reports why a password is not acceptable. People see the text.
type unfit string

// Error returns the reason.
func (u unfit) Error() string { return string(u) }

// checkPassword checks only length and encoding: NIST SP 800-63B §5.1.1.2
// advises against rules of composition.
func checkPassword(password []byte) error {
	switch n := utf8.RuneCount(password); {
	case n < minPassword:
		return unfit(fmt.Sprintf("password has %d characters, at least %d are needed", n, minPassword))
	case len(password) > maxPassword:
		return unfit(fmt.Sprintf("password has %d bytes, at most %d are allowed", len(password), maxPassword))
	case !utf8.Valid(password):
		return unfit("password is not UTF-8, so no browser could send it")
	}
	return nil
}

// newPassword checks and hashes a password.
func newPassword(password []byte, c Cost) (string, error) {
	if err := checkPassword(password); err != nil {
		return "", err
	}
	return hashPassword(password, c)
}

// hashPassword returns a PHC string:
//
//	$argon2id$v=19$m=65536,t=3,p=4$gZiV/M1gPc22ElAH/Jh1Hw$CWOrkoo7oJBQ/iyh7uJ0LO2aLEfrHwTWllSAxT0zRno
func hashPassword(password []byte, c Cost) (string, error) {
	if err := c.check(); err != nil {
		return "", err
	}
	salt := make([]byte, saltSize)
	rand.Read(salt) // never fails
	return formatHash(c, salt, c.key(password, salt, hashSize)), nil
}

func formatHash(c Cost, salt, key []byte) string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.Memory, c.Time, c.Threads,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
}

// parseHash parses a string of formatHash and refuses any other spelling.
func parseHash(phc string) (c Cost, salt, key []byte, err error) {
	bad := errors.New("password is not a PHC string of argon2id, version 19")
	parts := strings.Split(phc, "$")
	if len(parts) != 6 {
		return Cost{}, nil, nil, bad
	}
	if c, err = parseCost(parts[3]); err != nil {
		return Cost{}, nil, nil, bad
	}
	strict := base64.RawStdEncoding.Strict()
	if salt, err = strict.DecodeString(parts[4]); err != nil || len(salt) < 8 || len(salt) > 64 {
		return Cost{}, nil, nil, bad
	}
	if key, err = strict.DecodeString(parts[5]); err != nil || len(key) < 16 || len(key) > 64 {
		return Cost{}, nil, nil, bad
	}
	if formatHash(c, salt, key) != phc {
		return Cost{}, nil, nil, bad
	}
	return c, salt, key, c.check()
}

// parseCost parses m=65536,t=3,p=4.
func parseCost(text string) (Cost, error) {
	var numbers [3]uint64
	fields := strings.Split(text, ",")
	if len(fields) != len(numbers) {
		return Cost{}, strconv.ErrSyntax
	}
	for i, bits := range []int{32, 32, 8} {
		_, digits, _ := strings.Cut(fields[i], "=") // formatHash checks the letters
		n, err := strconv.ParseUint(digits, 10, bits)
		if err != nil {
			return Cost{}, err
		}
		numbers[i] = n
	}
	return Cost{Memory: uint32(numbers[0]), Time: uint32(numbers[1]), Threads: uint8(numbers[2])}, nil
}

// costOf returns the cost of a valid hash.
func costOf(phc string) Cost {
	c, _, _, err := parseHash(phc)
	if err != nil {
		return defaultCost()
	}
	return c
}

func matchesPassword(phc string, password []byte) bool {
	c, salt, want, err := parseHash(phc)
	return err == nil && subtle.ConstantTimeCompare(c.key(password, salt, len(want)), want) == 1
}

// serveChange serves the page for changing a password.
func (i *Issuer) serveChange(w http.ResponseWriter, r *http.Request) {
	if _, err := parseQuery(r); err != nil {
		i.refusePage(w, r, err)
		return
	}
	i.changePage(w, r, http.StatusOK, passwordChange{})
}

func (i *Issuer) changePage(w http.ResponseWriter, r *http.Request, status int, data passwordChange) {
	field, err := seal(i.sealer, forChange, i.browser(w, r), "")
	if err != nil {
		i.refusePage(w, r, err)
		return
	}
	data.Request, data.Rule, data.Min = field, PasswordRule, minPassword
	i.pages.Write(w, status, "change.html", "Change your password", "", data)
}

// serveChanged handles the form of the page.
func (i *Issuer) serveChanged(w http.ResponseWriter, r *http.Request) {
	if _, err := openForm[string](i, r, forChange); err != nil {
		i.refusePage(w, r, err)
		return
	}
	form := r.PostForm
	if err := i.changePassword(r, form.Get("email"), form.Get("password"), form.Get("new_password"), form.Get("again")); err != nil {
		status, problem := i.pageProblem(w, r, err)
		i.changePage(w, r, status, passwordChange{Email: form.Get("email"), Problem: problem})
		return
	}
	i.pages.Write(w, http.StatusOK, "message.html", "Done", "", message{"You have the new password from now on. You may close this page."})
}

// changePassword changes a password, given the old one, within the limits of
// signing in. Errors are of type unfit, those of checkLogin, or those of the
// disk. errPassword may also mean that the password has changed in the
// meantime.
func (i *Issuer) changePassword(r *http.Request, email, before, after, again string) error {
	if after != again {
		return unfit("password is not the same both times")
	}
	if err := checkPassword([]byte(after)); err != nil {
		return err
	}
	account, err := i.checkLogin(r, email, before)
	if err != nil {
		return err
	}
	done, err := i.turns.take(r.Context(), true)
	if err != nil {
		return err
	}
	defer done()
	err = i.accounts.changePassword(account, []byte(after))
	if errors.Is(err, ErrNoAccount) {
		return &refusedLogin{email, errPassword}
	}
	if err == nil {
		i.logger.InfoContext(r.Context(), "password changed", "account", account.Email)
	}
	return err
}
