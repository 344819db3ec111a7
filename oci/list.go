// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// list returns the attachments of the image from the API and from the fallback
// tag, which may be older than the API. The list is a claim of the registry;
// each manifest is checked later.
func (s *session) list(ctx context.Context, image Image) ([]Descriptor, error) {
	listed, err := s.listAPI(ctx, image)
	if err != nil {
		return nil, err
	}
	tagged, err := s.listTag(ctx, image)
	known := map[string]bool{}
	return slices.DeleteFunc(append(listed, tagged...), func(d Descriptor) bool {
		twice := known[d.Digest]
		known[d.Digest] = true
		return twice
	}), err
}

// listAPI returns the entries of the referrers API, or none if the API does not
// exist.
func (s *session) listAPI(ctx context.Context, image Image) ([]Descriptor, error) {
	listed, err := s.listPages(ctx, image)
	if isNoAPI(err) {
		return nil, nil
	}
	return listed, err
}

// errNoAPI reports that the first page is not a list of referrers.
var errNoAPI = errors.New("the registry has no referrers API")

// isNoAPI reports whether the registry lacks the referrers API. The
// specification requires 404. Older registries respond with other statuses, and
// some send a web page with status 200 for any unknown address.
func isNoAPI(err error) bool {
	u := new(RegistryError)
	if !errors.As(err, &u) {
		return errors.Is(err, errNoAPI)
	}
	switch u.Status {
	case http.StatusNotFound, http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusNotImplemented, http.StatusNoContent:
		return true
	}
	return false
}

// listPages returns the entries of all pages of the referrers API. Only the
// first page can show that there is no API: a list that breaks off later is an
// error.
func (s *session) listPages(ctx context.Context, image Image) ([]Descriptor, error) {
	var listed []Descriptor
	seen := map[string]bool{}
	size := 0
	for next := s.url("referrers", image.Digest); next != ""; {
		if seen[next] || len(seen) == maxPages || len(listed) > MaxListed || size > maxList {
			return nil, &RegistryError{Reason: TooMuch, Err: fmt.Errorf("the list of referrers has more than %d entries, %d pages or %d bytes, or is circular", MaxListed, maxPages, maxList)}
		}
		seen[next] = true
		page, got, err := s.listPage(ctx, next, image)
		if err != nil && len(seen) > 1 {
			return nil, brokenOff(len(seen), err)
		}
		if err != nil {
			return nil, err
		}
		size += len(got.body)
		for _, d := range page.Manifests {
			listed = append(listed, d.brief())
		}
		if next, err = nextPage(next, got.header); err != nil {
			return nil, err
		}
	}
	return listed, nil
}

// listPage reads one page of the list.
func (s *session) listPage(ctx context.Context, url string, image Image) (index, response, error) {
	got, err := s.do(ctx, request{
		method: http.MethodGet, url: url, header: map[string]string{"Accept": TypeIndex},
		limit: MaxManifest, statuses: []int{http.StatusOK},
	})
	if err != nil {
		return index{}, got, err
	}
	page, err := parseIndex(got.body)
	kind := mediaTypeIn(got.header)
	switch {
	case kind != TypeIndex && (err != nil || page.MediaType != TypeIndex):
		return index{}, got, fmt.Errorf("%w: the list of referrers is %q", errNoAPI, kind)
	case err != nil:
		return index{}, got, garbled("the list of referrers: %w", err)
	case digestOf(got.body) == image.Digest:
		return index{}, got, fmt.Errorf("%w: the list of referrers is the image itself", errNoAPI)
	}
	return page, got, nil
}

// mediaTypeIn returns the media type of a response, without its parameters.
func mediaTypeIn(header http.Header) string {
	kind, _, _ := strings.Cut(header.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(kind))
}

// brokenOff returns the error for a page after the first one. Its status does
// not mean that the API or the image is missing.
func brokenOff(page int, err error) error {
	if errors.Is(err, errNoAPI) {
		err = garbled("%w", err)
	}
	u := new(RegistryError)
	if !errors.As(err, &u) {
		return err
	}
	reason := u.Reason
	if reason == NotFound {
		reason = Garbled
	}
	return &RegistryError{Reason: reason, Err: fmt.Errorf("page %d of the list of referrers: %w", page, u.Err)}
}

// brief returns the entry without the members that are not needed.
func (d Descriptor) brief() Descriptor {
	short := Descriptor{MediaType: d.MediaType, Size: d.Size, Digest: d.Digest, ArtifactType: d.ArtifactType}
	if kind, ok := d.Annotations[annotationPredicate]; ok {
		short.Annotations = map[string]string{annotationPredicate: kind}
	}
	return short
}

// nextPage returns the address of the next page from Link headers (RFC 8288):
//
//	Link: </v2/a/b/referrers/sha256:c605…?last=…>; rel="next"
//
// It must be at the same registry. Links with other relations are ignored.
func nextPage(current string, header http.Header) (string, error) {
	base, err := url.Parse(current)
	if err != nil {
		return "", garbled("%w", err)
	}
	target, ok, err := nextLink(header)
	if err != nil || !ok {
		return "", err
	}
	next, err := base.Parse(target)
	if err != nil || !sameHost(base, next) {
		return "", garbled("the next page of %s is at %.300q, which is not the same registry", base.Host, target)
	}
	next.Scheme, next.Host = base.Scheme, base.Host // behind a proxy, registries write http: instead of https:
	return next.String(), nil
}

// nextLink returns the target of the link to the next page.
func nextLink(header http.Header) (target string, ok bool, err error) {
	for _, links := range header.Values("Link") {
		for rest := strings.TrimSpace(links); rest != ""; {
			inside, after, closed := strings.Cut(rest, ">")
			target, opened := strings.CutPrefix(inside, "<")
			if !closed || !opened {
				return "", false, garbled("the link %.300q to the next page", links)
			}
			params, more, _ := strings.Cut(after, ",")
			for param := range strings.SplitSeq(params, ";") {
				name, value, _ := strings.Cut(param, "=")
				rels := strings.Fields(strings.ToLower(strings.Trim(strings.TrimSpace(value), `"`)))
				if strings.EqualFold(strings.TrimSpace(name), "rel") && slices.Contains(rels, "next") {
					return target, true, nil
				}
			}
			rest = strings.TrimSpace(more)
		}
	}
	return "", false, nil
}

// sameHost reports whether two addresses have the same host and port. The
// scheme's default port may be omitted.
func sameHost(a, b *url.URL) bool {
	port := func(u *url.URL) string {
		return cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	}
	return a.Host == b.Host || strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

// listTag returns the entries under the fallback tag. There are none if the tag
// does not exist.
func (s *session) listTag(ctx context.Context, image Image) ([]Descriptor, error) {
	raw, err := s.underTag(ctx, image)
	if err != nil || raw == nil {
		return nil, err
	}
	if d, err := Identify(raw, ""); err == nil && !d.IsIndex() {
		return nil, nil
	}
	list, err := parseIndex(raw)
	if err != nil {
		return nil, garbled("the content of tag %s is not a list of attachments: %w", image.fallbackTag(), err)
	}
	if len(list.Manifests) > MaxListed {
		return nil, &RegistryError{Reason: TooMuch, Err: fmt.Errorf("more than %d attachments", MaxListed)}
	}
	return list.Manifests, nil
}

// underTag returns the content of the fallback tag, or nil if there is none.
// Registries that treat sha256-HEX as another spelling of sha256:HEX respond
// with the image itself.
func (s *session) underTag(ctx context.Context, image Image) ([]byte, error) {
	got, err := s.do(ctx, request{
		method: http.MethodGet, url: s.url("manifests", image.fallbackTag()), header: map[string]string{"Accept": acceptManifests},
		limit: MaxManifest, statuses: []int{http.StatusOK, http.StatusNotFound},
	})
	if err != nil || got.status == http.StatusNotFound || digestOf(got.body) == image.Digest {
		return nil, err
	}
	return got.body, nil
}
