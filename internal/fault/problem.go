// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/verify"
)

// Exit statuses of the commands.
const (
	ExitRefused   = 1 // looked, and the answer is no
	ExitUsage     = 2 // usage or unreadable input
	ExitUndecided = 3 // network, registry, stale or missing trust
)

// A Problem is an error as people see it: what is wrong, in which words of
// docs/reference/errors.md. What to type next is the command's to say, by the code.
type Problem struct {
	Exit            int
	Subject         string // the file or URL that it is about; may be empty
	Code            string
	Expected, Found string   // may be empty
	Remedy          string   // which remedy, where a code has several; may be empty
	Names           []string // what the remedy names besides the subject
	Err             error
}

// Error returns the text of the cause alone.
func (p *Problem) Error() string { return p.Err.Error() }

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Err }

// Of returns an error as a problem, and nil for nil. An error that is neither a problem
// nor a refusal of package verify decides nothing.
func Of(err error) *Problem {
	p, refusal := new(Problem), new(verify.Error)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &p):
		return p
	case errors.As(err, &refusal):
		return Refused(refusal)
	case errors.Is(err, context.Canceled):
		return Interrupted("")
	}
	return &Problem{Exit: ExitUndecided, Code: "failed", Err: err}
}

// About returns the problem of an error, about another subject.
func About(subject string, err error) *Problem {
	p := *Of(err)
	p.Subject = subject
	return &p
}

// With returns the problem with another remedy.
func (p Problem) With(remedy string, names ...string) *Problem {
	p.Remedy, p.Names = remedy, names
	return &p
}

// Refused returns the problem for an error of package verify or policy. Its exit status
// is that of a refusal, or of a policy that could not decide.
func Refused(e *verify.Error) *Problem {
	exit := ExitRefused
	if policy.Undecided(e) {
		exit = ExitUndecided
	}
	reason := reasonOf(e)
	if e.Code == verify.IdentityMismatch && nearlyEqual(e.Expected, e.Found) {
		reason = fmt.Errorf("%w (they differ only in letter case or a slash)", reason)
	}
	return &Problem{Exit: exit, Code: string(e.Code), Expected: e.Expected, Found: e.Found, Err: reason}
}

// nearlyEqual reports whether two different texts are equal without slashes and letter case.
func nearlyEqual(a, b string) bool {
	return a != b && a != "" && strings.EqualFold(strings.ReplaceAll(a, "/", ""), strings.ReplaceAll(b, "/", ""))
}

// Unreadable returns the problem for input that can't be read or parsed.
func Unreadable(path string, err error) *Problem {
	return &Problem{Exit: ExitUsage, Subject: path, Code: "unreadable", Err: err}
}

// Interrupted returns the problem for work that Ctrl-C ended.
func Interrupted(subject string) *Problem {
	return &Problem{Exit: ExitUndecided, Subject: subject, Code: "interrupted", Err: errors.New("stopped before the end")}
}

// Worst is the first of many problems, with the worst of their statuses.
type Worst struct {
	*Problem
	Status int
}

// reasonOf returns what a refusal means, with its cause if the cause adds to what was
// expected and found.
func reasonOf(e *verify.Error) error {
	if e.Err == nil {
		return errors.New(e.Code.Meaning())
	}
	if strings.Contains(e.Err.Error(), e.Code.Meaning()) {
		return e.Err
	}
	return fmt.Errorf("%s: %w", e.Code.Meaning(), e.Err)
}

// Word returns the word for an exit status.
func Word(exit int) string {
	return map[int]string{ExitRefused: "refused", ExitUsage: "cannot", ExitUndecided: "could not decide"}[exit]
}

// Text formats the problem, in the one form for all problems:
//
//	hallmark: README.md: refused: identity-mismatch
//	  reason    …
//	  expected  alice@example.com from https://login.example.com
//	  found     bob@example.com from https://login.example.com
//	  try       hallmark inspect README.md.sigstore.json
//
// What to try is left out if it is empty.
func (p *Problem) Text(try string) string {
	var b strings.Builder
	b.WriteString("hallmark: ")
	if p.Subject != "" {
		b.WriteString(Printable(p.Subject) + ": ")
	}
	fmt.Fprintf(&b, "%s: %s\n", Word(p.Exit), p.Code)
	for _, line := range [][2]string{
		{"reason", Printable(oneLine(p.Err.Error()))},
		{"expected", Printable(oneLine(p.Expected))}, {"found", Printable(oneLine(p.Found))}, {"try", Printable(try)},
	} {
		if line[1] != "" {
			fmt.Fprintf(&b, "  %-9s %s\n", line[0], line[1])
		}
	}
	return b.String()
}

// Failure is a problem for machines: docs/reference/error.schema.json.
type Failure struct {
	Code     string `json:"code"`
	Exit     int    `json:"exit"`
	Subject  string `json:"subject,omitempty"`
	Reason   string `json:"reason"`
	Expected string `json:"expected,omitempty"`
	Found    string `json:"found,omitempty"`
	Try      string `json:"try,omitempty"`
}

// Report returns the problem for machines, with what to try, which may be empty.
func (p *Problem) Report(try string) Failure {
	return Failure{p.Code, p.Exit, Bounded(p.Subject), Bounded(p.Err.Error()), Bounded(p.Expected), Bounded(p.Found), Bounded(try)}
}

// maxPrinted is how many bytes of a text that others wrote are printed.
const maxPrinted = 8 << 10

// Printable returns text that others wrote in a form that can't draw on the terminal or
// pass for another text: characters that control the terminal, turn the direction of
// writing around or are invisible become visible escapes, and long texts are cut.
func Printable(text string) string {
	text = Bounded(text)
	if isPlain(text) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if isHidden(r) {
			fmt.Fprintf(&b, "\\u%04x", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func isPlain(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] >= 0x7f {
			return false
		}
	}
	return true
}

// isHidden reports whether a character is seen by its effect alone: C0 and C1 controls,
// format characters such as those of bidirectional text, separators of lines.
func isHidden(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// Bounded cuts a long text.
func Bounded(text string) string {
	if len(text) <= maxPrinted {
		return text
	}
	cut := maxPrinted
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return fmt.Sprintf("%s… (%d bytes more)", text[:cut], len(text)-cut)
}

// EscapeJSON returns JSON in which hidden characters, which may stand in strings as they
// are, are escaped, so that a terminal shows them too.
func EscapeJSON(raw []byte) []byte {
	hidden := func(r rune) bool { return r != '\n' && isHidden(r) }
	if bytes.IndexFunc(raw, hidden) < 0 {
		return raw
	}
	var out bytes.Buffer
	for _, r := range string(raw) {
		switch high, low := utf16.EncodeRune(r); {
		case !hidden(r):
			out.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&out, "\\u%04x\\u%04x", high, low)
		default:
			fmt.Fprintf(&out, "\\u%04x", r)
		}
	}
	return out.Bytes()
}

// oneLine joins the lines of a text that are not blank.
func oneLine(text string) string {
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return strings.Join(slices.DeleteFunc(lines, func(line string) bool { return line == "" }), "; ")
}

// Quoted returns a word, quoted for a shell.
func Quoted(word string) string {
	const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./:@%+=,"
	if strings.HasPrefix(word, "-") {
		word = "./" + word
	}
	if word != "" && strings.Trim(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// CouldNotLook returns the problem for a file that could not be examined: it may exist,
// and may be signed.
func CouldNotLook(path string, err error) *Problem {
	return &Problem{Exit: ExitUndecided, Subject: path, Code: "could-not-look", Err: err}
}

// WorseExit returns the exit status of two runs: a refusal outweighs what could not be
// decided, and that what could not be read.
func WorseExit(a, b int) int {
	for _, status := range []int{ExitRefused, ExitUndecided, ExitUsage} {
		if a == status || b == status {
			return status
		}
	}
	return max(a, b)
}
