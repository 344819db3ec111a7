// SPDX-License-Identifier: Apache-2.0

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

// ErrUndeletable reports that the registry does not delete, or not for this
// client. Its operator can allow it.
var ErrUndeletable = errors.New("the registry does not delete")

// ErrInUse reports that an attachment is now used otherwise.
// [Client.Removables] returns the current state.
var ErrInUse = errors.New("it is now in use")

// Remove removes attachments returned by [Client.Removables]: from the list, if
// the registry has none of its own, and then their manifests. It checks all of
// them again first and deletes nothing if one is in use by now. It succeeds
// only once they are gone; what could not be deleted stays listed. Errors match
// [ErrUndeletable] or [ErrInUse], or are of type *[RegistryError].
func (c *Client) Remove(ctx context.Context, image Image, all []Removable) error {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	s, err := c.session(ctx, image.repo, transport.DeleteScope)
	if err == nil {
		err = s.remove(ctx, image, all)
	}
	if err != nil {
		return fmt.Errorf("removing attachments of %s: %w", image, err)
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
	// The list is changed first: registries refuse a list with missing entries,
	// which another client may be about to write.
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
		return garbled("%s was deleted but is still listed", kept[0].Digest)
	}
	return nil
}

// stillRemovable checks again, since other clients may have begun to use an
// attachment. It omits what is no longer attached to the image.
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
			return nil, fmt.Errorf("%w: %s can't be removed: %s", ErrInUse, r.Digest, why)
		}
		going = append(going, now[i])
	}
	return going, nil
}

// relistTimeout bounds the time to restore entries of the list, even after the
// caller's context has ended.
const relistTimeout = 15 * time.Second

// relist restores the entries whose manifests exist, since what was not deleted
// must stay listed.
func (s *session) relist(ctx context.Context, image Image, all []Descriptor) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), relistTimeout)
	defer cancel()
	there, err := s.stillThere(ctx, image, all)
	if err != nil || len(there) == 0 {
		return err
	}
	return s.rewriteList(ctx, image, there, nil)
}

// delete deletes a manifest, and its tag if the registry keeps it. If the tag
// names another manifest by now, both stay.
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
	if err := s.deleteName(ctx, r.Tag); err != nil && !isRefusal(err) { // registries need not support deleting tags
		return err
	}
	if names, err = s.stillNames(ctx, image, r); names {
		return garbled("%s was deleted but still exists", r.Tag)
	}
	return err
}

// stillNames reports whether the tag of r exists. It must not name another
// manifest.
func (s *session) stillNames(ctx context.Context, image Image, r Removable) (bool, error) {
	if r.Tag == "" {
		return false, nil
	}
	d, ok, err := s.tagged(ctx, image.repo.Tag(r.Tag))
	if ok && d.Digest != r.Digest {
		return false, fmt.Errorf("%w: tag %s has been changed and now names %s", ErrInUse, r.Tag, d.Digest)
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

// isRefusal reports whether the registry does not support deleting.
func isRefusal(err error) bool {
	u := new(RegistryError)
	return errors.As(err, &u) && (u.Status == http.StatusMethodNotAllowed || u.Status == http.StatusBadRequest || u.Status == http.StatusNotImplemented)
}
