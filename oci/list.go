package oci

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// list gives all that hangs on the image: by the API, and by the tag, which may have
// been written when the registry had no API. The list is a claim of the registry;
// each manifest is held to it later.
func (s *session) list(ctx context.Context, image Image) ([]Descriptor, error) {
	listed, err := s.listAPI(ctx, image)
	if err != nil {
		return nil, err
	}
	tagged, err := s.listTag(ctx, image)
	known := map[string]bool{}
	for _, d := range listed {
		known[d.Digest] = true
	}
	for _, d := range tagged {
		if !known[d.Digest] {
			listed = append(listed, d)
		}
	}
	return listed, err
}

// listAPI gives what the referrers API lists; where there is none, nothing.
func (s *session) listAPI(ctx context.Context, image Image) ([]Descriptor, error) {
	listed, err := s.listPages(ctx, image)
	if u := new(Unseen); errors.As(err, &u) && noAPI(u.Status) {
		return nil, nil
	}
	return listed, err
}

// noAPI: what registries answer that do not know the referrers API. The
// specification has 404; the others are given by older ones.
func noAPI(status int) bool {
	switch status {
	case http.StatusNotFound, http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotAcceptable:
		return true
	}
	return false
}

// listPages gives what the referrers API lists, on all pages. That there is no API
// is said by the first one alone: a list that breaks off later has not been seen.
func (s *session) listPages(ctx context.Context, image Image) ([]Descriptor, error) {
	var listed []Descriptor
	seen := map[string]bool{}
	size := 0
	for next := s.url("referrers", image.Digest); next != ""; {
		if seen[next] || len(seen) == MaxPages || len(listed) > MaxListed || size > MaxList {
			return nil, &Unseen{Reason: TooMuch, Err: fmt.Errorf("the list of referrers has more than %d entries, %d pages or %d bytes, or goes in a circle", MaxListed, MaxPages, MaxList)}
		}
		seen[next] = true
		page, got, err := s.listPage(ctx, next)
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
		if next, err = nextPage(next, got.header.Get("Link")); err != nil {
			return nil, err
		}
	}
	return listed, nil
}

// listPage reads one page of the list.
func (s *session) listPage(ctx context.Context, url string) (index, answer, error) {
	got, err := s.ask(ctx, question{
		method: http.MethodGet, url: url, header: map[string]string{"Accept": TypeIndex},
		limit: MaxManifest, answers: []int{http.StatusOK},
	})
	if err != nil {
		return index{}, got, err
	}
	if kind, _, _ := strings.Cut(got.header.Get("Content-Type"), ";"); kind != TypeIndex {
		return index{}, got, garbled("the list of referrers is %q", kind)
	}
	page, err := parseIndex(got.body)
	if err != nil {
		return index{}, got, garbled("%w", err)
	}
	return page, got, nil
}

// brokenOff: a page of the list was not given, whose first one was. Its status says
// nothing of the API, nor of the image.
func brokenOff(page int, err error) error {
	u := new(Unseen)
	if !errors.As(err, &u) {
		return err
	}
	reason := u.Reason
	if reason == NotFound {
		reason = Garbled
	}
	return &Unseen{Reason: reason, Err: fmt.Errorf("page %d of the list of referrers: %w", page, u.Err)}
}

// brief is what is kept of an entry of a list.
func (d Descriptor) brief() Descriptor {
	short := Descriptor{MediaType: d.MediaType, Size: d.Size, Digest: d.Digest, ArtifactType: d.ArtifactType}
	if kind, ok := d.Annotations[annotationPredicate]; ok {
		short.Annotations = map[string]string{annotationPredicate: kind}
	}
	return short
}

// nextPage reads Link: <…>; rel="next" (RFC 8288). The page must be at the same
// registry.
func nextPage(current, link string) (string, error) {
	if link == "" {
		return "", nil
	}
	target, rel, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(link), "<"), ">")
	if rel = strings.NewReplacer(" ", "", `"`, "").Replace(rel); !ok || rel != ";rel=next" {
		return "", garbled("the link %q to the next page", link)
	}
	base, err := url.Parse(current)
	if err != nil {
		return "", garbled("%w", err)
	}
	next, err := base.Parse(target)
	if err != nil || next.Host != base.Host || next.Scheme != base.Scheme {
		return "", garbled("the next page of %s is at %q", base.Host, target)
	}
	return next.String(), nil
}

// listTag reads the list under the fallback tag. Without the tag it is empty.
func (s *session) listTag(ctx context.Context, image Image) ([]Descriptor, error) {
	got, err := s.ask(ctx, question{
		method: http.MethodGet, url: s.url("manifests", image.fallbackTag()), header: map[string]string{"Accept": TypeIndex},
		limit: MaxManifest, answers: []int{http.StatusOK, http.StatusNotFound},
	})
	if err != nil || got.status == http.StatusNotFound {
		return nil, err
	}
	list, err := parseIndex(got.body)
	if err != nil {
		return nil, garbled("%w", err)
	}
	if len(list.Manifests) > MaxListed {
		return nil, &Unseen{Reason: TooMuch, Err: fmt.Errorf("more than %d attachments", MaxListed)}
	}
	return list.Manifests, nil
}
