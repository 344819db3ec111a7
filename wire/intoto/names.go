// SPDX-License-Identifier: Apache-2.0

package intoto

// Names returns the short names that [PredicateType] accepts.
func Names() []string {
	return []string{"slsaprovenance1", "spdx", "cyclonedx", "vuln", "openvex", "link"}
}

// PredicateType returns the URI of the predicate type with the given short
// name, which is the one that cosign uses. ok is false if there is none.
func PredicateType(name string) (uri string, ok bool) {
	switch name {
	case "slsaprovenance1":
		return "https://slsa.dev/provenance/v1", true
	case "spdx":
		return "https://spdx.dev/Document", true
	case "cyclonedx":
		return "https://cyclonedx.org/bom", true
	case "vuln":
		return "https://cosign.sigstore.dev/attestation/vuln/v1", true
	case "openvex":
		return "https://openvex.dev/ns", true
	case "link":
		return "https://in-toto.io/Link/v1", true
	}
	return "", false
}
