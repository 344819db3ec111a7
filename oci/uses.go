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

// maxTags is how many tags of a repository are looked at before something is
// deleted that one of them may name.
const maxTags = 20_000

// users are the tags because of which a manifest stays, and why.
type users map[string]string

// but gives the reason of one of them, other than a tag that goes with it.
func (u users) but(own string) string {
	for _, tag := range slices.Sorted(maps.Keys(u)) {
		if tag != own {
			return u[tag]
		}
	}
	return ""
}

// uses says of digests which tags name them, or an index that has them, but for the
// list of what hangs on the image.
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

// namedBy gives what a tag names, and what is in it where that is an index.
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
		all[part.Digest] = "the tag " + tag + " names an index that has it"
	}
	return all, err
}

// headTag asks what a tag names: with HEAD, which registries do not count as they
// count reading, where its answer says enough. A tag that is gone names nothing.
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

// tags lists those of the repository.
func (s *session) tags(ctx context.Context) ([]string, error) {
	var all []string
	pages := 0
	for next := s.url("tags", "list"); next != ""; pages++ {
		if pages == maxPages || len(all) > maxTags {
			return nil, &RegistryError{Reason: TooMuch, Err: fmt.Errorf("the repository has more than %d tags or %d pages of them: what they name can't be seen", maxTags, maxPages)}
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
