package oci

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// ErrUndeletable: the registry deletes nothing, or not by this client. Its operator
// can have it do so.
var ErrUndeletable = errors.New("the registry does not delete")

// ErrInUse: what was to go is used by something else by now. What is left is seen by
// asking Removables again.
var ErrInUse = errors.New("it is in use by now")

// Remove takes things off an image that Removables has given: off the list, where
// the registry has none of its own, and then their manifests are deleted. It ends
// well only once they are not found. What could not be deleted stays listed. They
// are looked at again before, and nothing is deleted if one of them is in use by now.
// Errors: ErrUndeletable, ErrInUse, *RegistryError.
func (c *Client) Remove(ctx context.Context, image Image, all []Removable) error {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	s, err := c.session(ctx, image.repo, transport.DeleteScope)
	if err == nil {
		err = s.remove(ctx, image, all)
	}
	if err != nil {
		return fmt.Errorf("taking things off %s: %w", image, err)
	}
	return nil
}

func (s *session) remove(ctx context.Context, image Image, all []Removable) error {
	all, err := s.stillRemovable(ctx, image, all)
	if err != nil {
		return err
	}
	var drop []Descriptor
	for _, r := range all {
		drop = append(drop, Descriptor{Digest: r.Digest})
	}
	list, err := s.fallbackList(ctx, image)
	if err != nil {
		return err
	}
	// off the list first: registries refuse a list of what is not there, which
	// others may be about to write
	err = s.rewriteList(ctx, image, nil, drop)
	for i := 0; i < len(all) && err == nil; i++ {
		err = s.delete(ctx, image, all[i])
	}
	if err != nil {
		return errors.Join(err, s.relist(ctx, image, lacking(lacking(drop, list.entries), list.entries)))
	}
	listed, err := s.list(ctx, image)
	if err != nil {
		return err
	}
	if kept := lacking(lacking(drop, listed), listed); len(kept) > 0 {
		return garbled("%s was deleted, and is still listed", kept[0].Digest)
	}
	return nil
}

// stillRemovable looks again: since it was asked whether they should go, others may
// have begun to use them. It leaves out what does not hang on the image any more.
func (s *session) stillRemovable(ctx context.Context, image Image, all []Removable) ([]Removable, error) {
	now, err := s.removables(ctx, image)
	if err != nil {
		return nil, err
	}
	var going []Removable
	for _, r := range all {
		i := slices.IndexFunc(now, func(n Removable) bool { return n.Digest == r.Digest && n.Tag == r.Tag })
		if i < 0 {
			if _, err := s.stillNames(ctx, image, r); err != nil {
				return nil, err
			}
			continue
		}
		if why := cmp.Or(r.Blocked, now[i].Blocked); why != "" {
			return nil, fmt.Errorf("%w: %s can't be taken off: %s", ErrInUse, r.Digest, why)
		}
		going = append(going, now[i])
	}
	return going, nil
}

// relistTimeout is how long it may take to put entries back on the list, also when
// there is no more time for anything else, or whoever started it has had enough.
const relistTimeout = 15 * time.Second

// relist puts entries back whose manifests are there: what was not deleted must not
// look as if it were.
func (s *session) relist(ctx context.Context, image Image, all []Descriptor) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), relistTimeout)
	defer cancel()
	there, err := s.stillThere(ctx, image, all)
	if err != nil || len(there) == 0 {
		return err
	}
	return s.rewriteList(ctx, image, there, nil)
}

// delete deletes a manifest, and its tag where that does not go with it. A tag that
// names something else by now is left, with what it was to lose.
func (s *session) delete(ctx context.Context, image Image, r Removable) error {
	names, err := s.stillNames(ctx, image, r)
	if err != nil {
		return err
	}
	err = s.deleteName(ctx, r.Digest)
	if isRefusal(err) {
		return fmt.Errorf("%w: %w", ErrUndeletable, err)
	}
	if err != nil || !names {
		return err
	}
	if names, err = s.stillNames(ctx, image, r); err != nil || !names {
		return err
	}
	if err := s.deleteName(ctx, r.Tag); err != nil && !isRefusal(err) { // not every registry deletes tags, nor must it
		return err
	}
	if names, err = s.stillNames(ctx, image, r); names {
		return garbled("%s was deleted, and is still there", r.Tag)
	}
	return err
}

// stillNames says whether the tag of what is to go is there. It must not name
// anything else.
func (s *session) stillNames(ctx context.Context, image Image, r Removable) (bool, error) {
	if r.Tag == "" {
		return false, nil
	}
	d, ok, err := s.tagged(ctx, image.repo.Tag(r.Tag))
	if ok && d.Digest != r.Digest {
		return false, fmt.Errorf("%w: somebody has written the tag %s meanwhile, which names %s", ErrInUse, r.Tag, d.Digest)
	}
	return ok, err
}

func (s *session) deleteName(ctx context.Context, name string) error {
	_, err := s.do(ctx, request{
		method: http.MethodDelete, url: s.url("manifests", name), limit: MaxManifest,
		statuses: []int{http.StatusAccepted, http.StatusOK, http.StatusNoContent, http.StatusNotFound},
	})
	return err
}

// isRefusal: what registries answer that do not delete.
func isRefusal(err error) bool {
	u := new(RegistryError)
	return errors.As(err, &u) && (u.Status == http.StatusMethodNotAllowed || u.Status == http.StatusBadRequest || u.Status == http.StatusNotImplemented)
}
