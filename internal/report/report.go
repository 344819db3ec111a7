// SPDX-License-Identifier: Apache-2.0

package report

import (
	"crypto"
	"fmt"
	"strings"
	"time"

	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/internal/judge"
	"github.com/hallmark-sign/hallmark/verify"
)

// A Report is a verdict for machines: docs/reference/verdict.schema.json.
type Report struct {
	File       string      `json:"file"`
	Verdict    string      `json:"verdict"`          // verified, refused, undecided, unreadable
	Bundle     string      `json:"bundle,omitempty"` // that was written, when it was signed just now
	Code       string      `json:"code,omitempty"`
	Reason     string      `json:"reason,omitempty"`
	Expected   string      `json:"expected,omitempty"`
	Found      string      `json:"found,omitempty"`
	Try        string      `json:"try,omitempty"`      // left to the command
	Digest     string      `json:"digest,omitempty"`   // of the artifact
	List       string      `json:"list,omitempty"`     // signed list of checksums that vouches for it
	NotAsked   []string    `json:"notAsked,omitempty"` // facts that were unknown, and that the policy did not ask for
	Signatures []Signature `json:"signatures,omitempty"`
	Explained  []StepsOf   `json:"explained,omitempty"`
}

// A Signature is the result of one bundle.
type Signature struct {
	Signer        Signer     `json:"signer"`
	Times         []At       `json:"times,omitempty"`
	LogEntries    []LogEntry `json:"logEntries,omitempty"`
	PredicateType string     `json:"predicateType,omitempty"`
}

// A Signer is an identity or a key.
type Signer struct {
	Subject     string `json:"subject,omitempty"`
	SubjectType string `json:"subjectType,omitempty"`
	Issuer      string `json:"issuer,omitempty"`
	Key         string `json:"key,omitempty"` // sha256: of the PKIX DER
}

// An At is a time and its source.
type At struct {
	Time   time.Time `json:"time"`
	Source string    `json:"source"`
}

// A LogEntry is an entry of a log.
type LogEntry struct {
	Log   string `json:"log"`
	Index uint64 `json:"index"`
}

// A StepsOf lists the steps of verifying one bundle.
type StepsOf struct {
	Bundle string `json:"bundle"`
	Steps  []Step `json:"steps"`
}

// A Step is one of the nine steps.
type Step struct {
	Step    string   `json:"step"`
	Outcome string   `json:"outcome"` // passed, refused, not asked, not reached
	Facts   []string `json:"facts,omitempty"`
}

// Of returns a verdict as a Report.
func Of(v judge.Verdict) Report {
	out := Report{File: v.Name, Verdict: "verified", List: v.List}
	if p := v.Problem(); p != nil {
		out.Verdict = map[int]string{fault.ExitRefused: "refused", fault.ExitUsage: "unreadable", fault.ExitUndecided: "undecided"}[p.Exit]
		out.Code, out.Reason, out.Expected, out.Found = p.Code, fault.Bounded(p.Err.Error()), fault.Bounded(p.Expected), fault.Bounded(p.Found)
	}
	for _, gap := range v.Gaps {
		out.NotAsked = append(out.NotAsked, string(gap))
	}
	for _, r := range v.Results {
		out.Signatures = append(out.Signatures, signatureOf(r))
	}
	if len(v.Results) > 0 && v.List == "" {
		out.Digest = find.DigestText(v.Results[0].Hash, v.Results[0].Digest)
	}
	if v.List != "" && v.Err == nil {
		out.Digest = find.DigestText(crypto.SHA256, v.Digest)
	}
	for _, e := range v.Explained {
		out.Explained = append(out.Explained, explainedOf(e))
	}
	return out
}

func explainedOf(e judge.Explained) StepsOf {
	out := StepsOf{Bundle: e.File}
	for _, s := range e.Steps {
		out.Steps = append(out.Steps, Step{s.Step.String(), s.Outcome.String(), s.Facts})
	}
	return out
}

func signatureOf(r *verify.Result) Signature {
	var out Signature
	if r.Certificate == nil {
		out.Signer.Key = "sha256:" + judge.KeyFingerprint(r.Key)
	} else {
		out.Signer = Signer{Subject: r.Identity.Subject.Value, SubjectType: r.Identity.Subject.Type.String(), Issuer: r.Identity.Issuer}
	}
	for _, t := range r.Times {
		out.Times = append(out.Times, At{t.Time.UTC(), t.Source()})
	}
	for _, e := range r.Entries {
		out.LogEntries = append(out.LogEntries, LogEntry{e.Log.BaseURL, e.LogIndex})
	}
	if r.Statement != nil {
		out.PredicateType = r.Statement.PredicateType
	}
	return out
}

// Text formats the verdict for people, on one artifact alone.
//
//	README.md: verified
//	  signed by  alice@example.com via https://login.example.com
//	  at         2026-03-04 05:06:07 UTC, by https://tsa.example.com
//	  logged as  7 of https://log.example.com
func Text(v judge.Verdict) string {
	var b strings.Builder
	if v.Err != nil && len(v.Explained) > 0 {
		b.WriteString(Line(v))
	}
	if v.Err == nil {
		fmt.Fprintf(&b, "%s: verified\n", fault.Printable(v.Name))
		if v.Image { // whose tag may move to another image
			fmt.Fprintf(&b, "  digest     %s\n", find.DigestText(v.Results[0].Hash, v.Results[0].Digest))
		}
		for _, r := range v.Results {
			writeResult(&b, r)
		}
		if v.List != "" {
			fmt.Fprintf(&b, "  listed in  %s\n", fault.Printable(v.List))
		}
		for _, gap := range v.Gaps {
			fmt.Fprintf(&b, "  not asked  %s\n", gap.Meaning())
		}
	}
	for _, e := range v.Explained {
		fmt.Fprintf(&b, "\n%s\n", fault.Printable(e.File))
		for _, s := range e.Steps {
			fmt.Fprintf(&b, "  %d %-11s %s\n", s.Step, s.Step, s.Outcome)
			for _, fact := range s.Facts {
				fmt.Fprintf(&b, "      %s\n", fault.Printable(fact))
			}
		}
	}
	return b.String()
}

func writeResult(b *strings.Builder, r *verify.Result) {
	fmt.Fprintf(b, "  signed by  %s\n", judge.Who(r))
	for _, t := range r.Times {
		fmt.Fprintf(b, "  at         %s, by %s\n", Clock(t.Time), fault.Printable(t.Source()))
	}
	fmt.Fprintf(b, "  logged as  %s\n", EntryWords(r))
	if r.Statement != nil {
		fmt.Fprintf(b, "  attests    %s\n", fault.Printable(r.Statement.PredicateType))
	}
}

// Line formats the verdict for people, as one of many.
func Line(v judge.Verdict) string {
	if p := v.Problem(); p != nil {
		return fmt.Sprintf("%s: %s: %s\n", fault.Printable(v.Name), fault.Word(p.Exit), p.Code)
	}
	var who []string
	for _, r := range v.Results {
		who = append(who, judge.Who(r))
	}
	var gaps strings.Builder
	for i, gap := range v.Gaps {
		gaps.WriteString([]string{"; not asked: ", ", "}[min(i, 1)] + string(gap))
	}
	return fmt.Sprintf("%s: verified, signed by %s%s\n", fault.Printable(v.Name), strings.Join(who, " and by "), gaps.String())
}

// EntryWords returns the log entries in words.
func EntryWords(r *verify.Result) string {
	var words []string
	for _, e := range r.Entries {
		words = append(words, fmt.Sprintf("%d of %s", e.LogIndex, fault.Printable(e.Log.BaseURL)))
	}
	if len(words) == 0 {
		return "nothing"
	}
	return strings.Join(words, ", ")
}

// Clock formats a time for people.
func Clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

// A Summary counts verdicts.
type Summary struct {
	verified, refused, unreadable, undecided int
	First                                    *fault.Problem // the first that is not verified
	exit                                     int
}

// Add counts a verdict.
func (s *Summary) Add(v judge.Verdict) {
	p := v.Problem()
	if p == nil {
		s.verified++
		return
	}
	switch p.Exit {
	case fault.ExitRefused:
		s.refused++
	case fault.ExitUndecided:
		s.undecided++
	default:
		s.unreadable++
	}
	if s.First == nil {
		s.First = p
	}
	s.exit = fault.WorseExit(s.exit, p.Exit)
}

// Err returns a *[fault.Worst], or nil if all are verified.
func (s *Summary) Err() error {
	if s.First == nil {
		return nil
	}
	return &fault.Worst{Problem: s.First, Status: s.exit}
}

// Count returns the number of verdicts.
func (s *Summary) Count() int { return s.verified + s.refused + s.unreadable + s.undecided }

// String returns the summary in words.
func (s *Summary) String() string {
	text := fmt.Sprintf("%d judged: %d verified", s.Count(), s.verified)
	for _, other := range []struct {
		n    int
		word string
	}{{s.refused, "refused"}, {s.unreadable, "unreadable"}, {s.undecided, "undecided"}} {
		if other.n > 0 {
			text += fmt.Sprintf(", %d %s", other.n, other.word)
		}
	}
	return text
}
