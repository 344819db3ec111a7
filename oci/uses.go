// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"

	"github.com/go-json-experiment/json"
)

// maxTags bounds the tags of a repository that are read before an attachment is
// deleted.
const maxTags = 20_000

// users maps the tags that use a manifest to a description of the use.
type users map[string]string

// but returns one of the descriptions, ignoring the tag own.
func (u users) but(own string) string {
	for _, tag := range slices.Sorted(maps.Keys(u)) {
		if tag != own {
			return u[tag]
		}
	}
	return ""
}

// uses returns, by digest, the tags that name a manifest or an index that
// contains it, except for the list of the image's attachments.
func (s *session) uses(ctx context.Context, image Image) (map[string]users, error) {
	tags, err := s.tags(ctx)
	if err != nil {
		return nil, err
	}
	uses := map[string]users{}
	var mutex sync.Mutex // guards uses and failed
	var failed error
	each(len(tags), func(i int) {
		all, err := s.namedBy(ctx, tags[i], tags[i] != image.fallbackTag())
		mutex.Lock()
		defer mutex.Unlock()
		if err != nil {
			failed = fmt.Errorf("looking at tag %s: %w", tags[i], err)
		}
		for digest, why := range all {
			if uses[digest] == nil {
				uses[digest] = users{}
			}
			uses[digest][tags[i]] = why
		}
	})
	return uses, failed
}

// namedBy returns the digests that a tag names, directly or in an index.
func (s *session) namedBy(ctx context.Context, tag string, deep bool) (map[string]string, error) {
	image, err := s.headTag(ctx, tag)
	if err != nil || image.Digest == "" {
		return nil, err
	}
	all := map[string]string{image.Digest: "the tag " + tag + " names it"}
	if !deep {
		return all, nil
	}
	parts, err := s.platforms(ctx, image)
	for _, part := range parts {
		all[part.Digest] = "the tag " + tag + " names an index that contains it"
	}
	return all, err
}

// headTag returns what a tag names. It uses HEAD, which registries do not count
// against pull limits, if the response has all it needs. A missing tag names
// nothing.
func (s *session) headTag(ctx context.Context, tag string) (Image, error) {
	got, err := s.do(ctx, request{
		method: http.MethodHead, url: s.url("manifests", tag), header: map[string]string{"Accept": acceptManifests},
		statuses: []int{http.StatusOK, http.StatusNotFound, http.StatusMethodNotAllowed},
	})
	if err != nil || got.status == http.StatusNotFound {
		return Image{}, err
	}
	mediaType := mediaTypeIn(got.header)
	digest := got.header.Get("Docker-Content-Digest")
	if _, err := parseDigest(digest); err == nil && (mediaType == typeManifest || mediaType == typeDockerManifest) {
		return Image{Repository: s.repo.Name(), Digest: digest, MediaType: mediaType, repo: s.repo}, nil
	}
	d, _, err := s.tagged(ctx, s.repo.Tag(tag))
	return Image{Repository: s.repo.Name(), Digest: d.Digest, MediaType: d.MediaType, Size: d.Size, repo: s.repo}, err
}

// tags returns the tags of the repository.
func (s *session) tags(ctx context.Context) ([]string, error) {
	var all []string
	pages := 0
	for next := s.url("tags", "list"); next != ""; pages++ {
		if pages == maxPages || len(all) > maxTags {
			return nil, &RegistryError{Reason: TooMuch, Err: fmt.Errorf("the repository has more than %d tags or %d pages of them: not all can be checked", maxTags, maxPages)}
		}
		got, err := s.do(ctx, request{method: http.MethodGet, url: next, limit: MaxManifest, statuses: []int{http.StatusOK}})
		if err != nil {
			return nil, err
		}
		var page struct {
			Tags []string `json:"tags"`
		}
		if err := json.Unmarshal(got.body, &page); err != nil {
			return nil, garbled("parsing list of tags: %w", err)
		}
		all = append(all, page.Tags...)
		if next, err = nextPage(next, got.header); err != nil {
			return nil, err
		}
	}
	return all, nil
}
