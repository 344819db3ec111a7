// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"os"
	"strconv"
	"strings"

	"github.com/hallmark-sign/hallmark/internal/fault"
)

// remedies lists what to type after a problem, by its code, or by its code and remedy. A
// star stands for any code that has no entry of its own. $hallmark is the command as it was
// called, $subject and $1, $2 are the problem's subject and names, quoted for a shell; $raw1
// is a name as it is.
var remedies = map[string]string{
	"other-instance":       "$hallmark trust add URL, of the instance that signed; --instance, if it is in $hallmark trust list; or --trusted-root FILE, of the instance that signed",
	"trust-stale":          "$hallmark trust add URL",
	"fact-missing":         "$hallmark verify with --instance, which knows what was fetched, and when",
	"repository-renamed":   "writing the new name into the policy, if the repository has moved",
	"artifact-missing":     "the file, which $raw1 names; or each of the others with --bundle",
	"manifest-malformed":   "--bundle $subject, to verify files by their digests alone",
	"policy-malformed":     "docs/guides/policies.md, or '$hallmark policy propose' for an example",
	"*/inspect":            "$hallmark inspect $1",
	"*/propose":            "$hallmark inspect $1",
	"key-mismatch/propose": "--key FILE, with the public key that signed",
	"unsigned/artifact":    "its artifact, $1",
	"*/elsewhere":          "--bundle FILE, if the bundle is elsewhere",
	"*/list-itself":        "- <$subject --bundle $1, for the file itself",
	"unreadable/image":     "REGISTRY/$subject for an image; $1 is Docker Hub's",
	"usage/file-or-image":  "file:./$subject for the file; oci:REGISTRY/REPO… for an image",
	"usage/image-digest":   "the image's digest, sha256:HEX, with --bundle",
	"usage/accept":         "$hallmark inspect FILE, which tells what a bundle claims; or $hallmark policy propose, which writes a policy",
	"usage/hallmark":       "$hallmark verify",

	"unreadable/bundles-in-directory": "the bundles in it, $1",
	"could-not-look/no-store":         noStore,
	"not-stored/no-store":             noStore,
	"could-not-look/store-down":       "again, later; or --evidence URL of a store that is there",
	"usage/store-url":                 "--evidence https://HOST",

	"usage/image-name":                    "$1",
	"could-not-look/registry-login":       "docker login, or podman login, at the registry",
	"could-not-look/registry-cacert":      "--registry-cacert FILE, with the certificate authority of the registry",
	"could-not-look/registry-plain-http":  "--registry-plain-http, if you control the network to that registry: credentials and responses are not protected",
	"could-not-look/registry-credentials": "mend what is kept in $DOCKER_CONFIG/config.json, by default ~/.docker/config.json, or log in again",
	"could-not-look/registry-again":       "again, later",

	"unreadable/sign-directory": "$hallmark sign --manifest $subject, one signature for all that is in it",
	"usage/pipe":                "--bundle FILE.sigstore.json",
	"usage/keep-nothing":        "--evidence '', which leaves the bundle where it is alone",
	"not-stored":                "signing again, later",
	"interrupted/upload":        upload,
	"not-stored/upload":         upload,
	"*/load":                    "$hallmark load $1 $2",
	"*/verify-digest":           "$hallmark verify $1 --bundle $2",
	"unreadable/token-response": "jq -r .id_token $subject | $hallmark … --identity-token -",
	"no-service/login":          "--identity-token FILE",
	"token-expired":             "$hallmark sign --resume with a new token, for the rest",
	"no-token":                  "--identity-token FILE, or --email EMAIL --password-file FILE",
	"usage/directory-above":     "--bundle FILE, in a directory above all that is signed",
	"usage/checksums-or-name":   "a signed SHA256SUMS, or another name",
	"usage/copy-in-place":       "a copy of the file in its place",
	"usage/several-manifests":   "a manifest for each directory, or a signed list of checksums, SHA256SUMS",
	"usage/predicate-alone":     "jq .predicate $subject >predicate.json, and that with --type $1",
	"unwritable/other-bundle":   "--bundle FILE",
	"*/replace":                 "--replace",
	"usage/lines":               "--add --bundle $1",

	"no-instance":          "$hallmark trust list",
	"no-instance/choose":   "--instance NAME, one of: $raw1",
	"no-instance/add":      "$hallmark trust add URL",
	"usage/add-scheme":     "$hallmark trust add $1",
	"usage/add-host":       "$hallmark trust add https://HOST",
	"fingerprint-mismatch": "ask the operator for the fingerprint; do not trust this instance before",
	"plain-http":           "https://, or --fingerprint HEX, with what the operator tells you",

	"unsigned/tree":                      "$hallmark tree $subject",
	"legacy-form":                        "$hallmark save IMAGE DIR, which takes it as it is",
	"usage/output-lines":                 "--output $1",
	"unwritable/other-output":            "--output FILE",
	"usage/clean-yes":                    "--yes, to delete what is listed",
	"deletion-refused/clean-again":       "$hallmark clean again, which shows what is there now",
	"deletion-refused/registry-operator": "its operator: distribution needs storage.delete.enabled, others have their own pages for it",
	"incomplete":                         "again: what is there is not sent again",
	"usage/tar":                          "tar -cf FILE.tar -C DIR . afterwards",
	"unwritable/other-directory":         "another directory",
	"usage/choose-image":                 "--image IMAGE",

	"configuration/witness-help": "$hallmark witness init --help",
	"configuration/witness-init": "$hallmark witness init $subject",
	"configuration/other-url":    "--url https://ANOTHER-HOST",
	"configuration/init-help":    "$hallmark init --help",
	"configuration/rotate-again": "$hallmark log rotate, once more",
	"configuration/witnesses":    "docs/operating/witnesses.md",
	"configuration/rotate":       "$hallmark log rotate; docs/operating/witnesses.md",
	"configuration/tls":          "tls in the configuration",
	"configuration/config":       "-c DIR, of the instance",
	"usage/new-directory":        "$hallmark init NEW-DIRECTORY",
	"usage/log-level":            "--log-level info",
	"witness-state/lost":         "put the newest state back; if it is lost, make a new witness with a new key",
	"instance-locked/stop":       "stop it, and do it again",
	"address-in-use":             "--listen ADDR, or stop what listens there",
	"address-in-use/try":         "stop what listens there; or move ./hallmark-try away, and $hallmark try makes another at a free port",
	"exists":                     "another DIR, or move $subject away; nothing was changed",
	"exists/try":                 "move it away, or run this elsewhere",
	"exists/own-directory":       "a directory of its own, such as $1",
	"*/try-file":                 "$hallmark try FILE",
	"account-refused/passwd":     "$hallmark user passwd, for another password",
	"account-refused/list":       "$hallmark user list",
	"disk-failed":                "make room or mend the disk, and do it again",

	"log-lost":                    "mount it; or $hallmark log restore BACKUP $subject",
	"log-went-back":               "put the newest directory of the log back; if it is lost, move this one away and $hallmark log restore BACKUP $subject",
	"log-damaged/check":           "$hallmark log check $subject",
	"log-key-missing":             "--instance NAME, --trusted-root FILE, or --log-key KEY --origin LINE",
	"log-would-fork":              "a newer backup; if there is none, end this log where the backup does: docs/operating/backup-restore.md",
	"other-log":                   "another directory; nothing was changed",
	"witnesses-silent":            "again, once they answer; or --seen FILE with what was seen last",
	"last-seen-unknown":           "--seen FILE, the last checkpoint or bundle that was seen",
	"unreadable/logs-of-instance": "its logs: rekor and ct in it",
	"unreadable/log-place":        "a directory with a log, or a URL: https://HOST",
	"usage/log-directory":         "LOGDIR $1",
	"usage/backup-directory":      "BACKUP $1",

	"service-unavailable":         "again, later",
	"service-unavailable/plain":   "$hallmark trust add $1",
	"service-unavailable/no-tls":  "another port, or the URL that the operator tells you",
	"service-refused/frozen":      "$hallmark trust add URL, of the same instance: its log has a successor",
	"service-unavailable/network": "again, once the network and the service are there",
	"service-unavailable/serve":   "again, once the instance runs ($hallmark serve)",
	"service-unavailable/cacert":  "--cacert FILE, if its TLS certificate is of a private authority; '$hallmark trust add URL --cacert FILE' keeps it",

	"usage/help":       "$raw1 --help",
	"usage/verb":       "did you mean '$raw1 $raw2'?",
	"usage/flag":       "did you mean --$raw2? $raw1 --help",
	"not-confirmed":    "$raw1",
	"login-refused":    "the right email and password; the operator sets a new one: $hallmark user passwd",
	"wrong-passphrase": "the passphrase that was given when the key was made",
	"exposed-secret":   "chmod 600 $subject",
	"no-passphrase":    "$raw1",
	"no-password":      "$raw1",
}

const (
	noStore = "evidence: {enabled: true} in the instance's hallmark.yaml, if it is yours; or --evidence URL of another"
	upload  = `(printf '{"bundle":'; tail -n 1 $1; printf '}') | curl --json @- $2`
)

// Remedy returns what to type after a problem. It returns "" if nothing is known to help.
func (e Environment) Remedy(p *fault.Problem) string {
	template := cmp.Or(remedies[p.Code+"/"+p.Remedy], remedies[p.Code], remedies["*/"+p.Remedy])
	return os.Expand(template, func(name string) string {
		switch name {
		case "hallmark":
			return e.Command()
		case "subject":
			return fault.Quoted(p.Subject)
		}
		digits, raw := strings.CutPrefix(name, "raw")
		n, err := strconv.Atoi(digits)
		switch {
		case err != nil || n > len(p.Names):
			return "$" + name
		case raw:
			return p.Names[n-1]
		}
		return fault.Quoted(p.Names[n-1])
	})
}
