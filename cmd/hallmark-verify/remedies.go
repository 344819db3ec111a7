// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"strings"

	"github.com/hallmark-sign/hallmark/internal/fault"
)

// remedies lists what to type after a problem, by its code, or by its code and remedy. A
// star stands for any code that has no entry of its own. SUBJECT and NAME are the problem's
// subject and first name.
var remedies = map[string]string{
	"other-instance":      "--trusted-root FILE, of the instance that signed",
	"no-instance":         "hallmark trust add URL, --instance NAME or --trusted-root FILE",
	"trust-stale":         "a trusted root that was fetched since",
	"fact-missing":        "hallmark verify with --instance, which knows what was fetched, and when",
	"repository-renamed":  "writing the new name into the policy, if the repository has moved",
	"artifact-missing":    "the file, which NAME names; or each of the others with --bundle",
	"manifest-malformed":  "--bundle SUBJECT, to verify files by their digests alone",
	"unsigned/artifact":   "its artifact, NAME",
	"*/elsewhere":         "--bundle FILE, if the bundle is elsewhere",
	"*/list-itself":       "- <SUBJECT --bundle NAME, for the file itself",
	"usage/file-or-image": "file:./SUBJECT for the file",
	"usage/hallmark":      "hallmark verify",
	"usage/help":          "hallmark-verify --help",
}

// remedy returns what to type after a problem. It returns "" if nothing is known to help.
func remedy(p *fault.Problem) string {
	if p == nil {
		return ""
	}
	template := cmp.Or(remedies[p.Code+"/"+p.Remedy], remedies[p.Code], remedies["*/"+p.Remedy])
	return strings.NewReplacer("SUBJECT", fault.Quoted(p.Subject), "NAME", fault.Quoted(strings.Join(p.Names, ""))).Replace(template)
}
