// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"path/filepath"
	"strings"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/internal/judge"
	"github.com/hallmark-sign/hallmark/internal/report"
	"github.com/hallmark-sign/hallmark/verify"
)

// widelyRead is how many subjects of a statement cosign and sigstore-go read, which
// interop's TestManifests knows.
const widelyRead = 1024

// remark prints text for people, which is omitted from JSON.
func (r *Request) remark(format string, args ...any) {
	if !r.env.JSON && !r.Quiet {
		r.env.Say(format, args...)
	}
}

// tell prints one signature. The bundle is a file or an image manifest.
func (r *Request) tell(name, bundle string, result *verify.Result) error {
	if r.Quiet {
		return nil
	}
	if r.env.JSON {
		out := report.Of(judge.Verdict{Name: name, Results: []*verify.Result{result}})
		out.Bundle = bundle
		return r.env.PrintJSON(out)
	}
	r.env.Say("%s: signed by %s, log entry %s", name, judge.Who(result), report.EntryWords(result))
	r.env.Say("  bundle    %s", bundle)
	return nil
}

// tellManifest prints one result for people, and one for each artifact in JSON.
func (r *Request) tellManifest(m *manifest, results []*verify.Result) error {
	if r.env.JSON {
		for i, one := range m.subjects {
			if err := r.tell(one.name, m.out, results[i]); err != nil {
				return err
			}
		}
		return nil
	}
	r.env.Say("%s: signed by %s, log entry %s", cli.Counted(len(m.subjects), "subject", "subjects"), judge.Who(results[0]), report.EntryWords(results[0]))
	r.env.Say("  bundle    %s", m.out)
	if len(m.subjects) > widelyRead {
		r.env.Say("  note      cosign and sigstore-go refuse statements of more than %d subjects", widelyRead)
	}
	if name := filepath.Base(m.out); !strings.HasSuffix(name, find.Suffix) && !strings.HasSuffix(name, find.LinesSuffix) {
		r.env.Say("  note      'hallmark verify DIR' looks for manifests called NAME%s", find.Suffix)
	} else {
		r.env.Say("  found by  %s verify %s %s", r.env.Command(), acceptance(results[0]), fault.Quoted(filepath.Dir(m.out)))
	}
	return nil
}

// acceptance returns the flags of verify that accept the signer of r.
func acceptance(r *verify.Result) string {
	if r.Certificate == nil {
		return "--key FILE"
	}
	return "--identity " + fault.Quoted(r.Identity.Subject.Value) + " --issuer " + fault.Quoted(r.Identity.Issuer)
}
