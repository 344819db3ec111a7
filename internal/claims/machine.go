// SPDX-License-Identifier: Apache-2.0

package claims

import (
	"strings"

	"github.com/hallmark-sign/hallmark/identity"
)

// maxSPIFFE bounds a SPIFFE ID, in bytes (SPIFFE-ID §2.3).
const maxSPIFFE = 2048

// SPIFFE returns the claim sub, a SPIFFE ID of the trust domain, for example
// example.org.
func SPIFFE(s Set, trustDomain string) (identity.Subject, error) {
	id, _ := s.Text("sub")
	path, ok := strings.CutPrefix(id, "spiffe://"+trustDomain+"/")
	if !ok || len(id) > maxSPIFFE || !isSPIFFEPath(path) {
		return identity.Subject{}, refusef("claim sub is not a SPIFFE ID of the trust domain %s", trustDomain)
	}
	return identity.Subject{Type: identity.URI, Value: id}, nil
}

// isSPIFFEPath checks the segments of a path: letters, digits, dots, dashes and
// underscores, none empty, and no relative ones (SPIFFE-ID §2.2).
func isSPIFFEPath(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return false
		}
		for i := range len(segment) {
			if c := segment[i]; !isAlphanumeric(c) && c != '.' && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

// IsTrustDomain reports whether text is a SPIFFE trust domain (SPIFFE-ID §2.1).
func IsTrustDomain(text string) bool {
	for i := range len(text) {
		if c := text[i]; !isAlphanumeric(c) && c != '.' && c != '-' && c != '_' || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return text != "" && len(text) <= 255
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// Kubernetes returns the service account in the claim kubernetes.io, as
// https://kubernetes.io/namespaces/NAMESPACE/serviceaccounts/NAME.
func Kubernetes(s Set) (identity.Subject, error) {
	k := s.within("kubernetes.io")
	namespace, _ := k.Text("namespace")
	name, _ := k.within("serviceaccount").Text("name")
	if !isLabels(namespace) || strings.Contains(namespace, ".") || !isLabels(name) {
		return identity.Subject{}, Refusal("claim kubernetes.io has no namespace and name of a service account")
	}
	if sub, _ := s.Text("sub"); sub != "system:serviceaccount:"+namespace+":"+name {
		return identity.Subject{}, Refusal("claims sub and kubernetes.io are for different service accounts")
	}
	return identity.Subject{Type: identity.URI, Value: "https://kubernetes.io/namespaces/" + namespace + "/serviceaccounts/" + name}, nil
}

// isLabels reports whether text is a name of Kubernetes: labels of RFC 1123 with
// dots in between.
func isLabels(text string) bool {
	if len(text) > 253 {
		return false
	}
	for label := range strings.SplitSeq(text, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || c == '-') {
				return false
			}
		}
	}
	return true
}
