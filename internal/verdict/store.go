package verdict

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// Store keeps bundles by the digest of their artifact, apart from it. It is safe
// for concurrent use.
type Store interface {
	// Name is the store's, for people.
	Name() string

	// Bundles gives what the store has of the artifact with this SHA-256. No bundles
	// and no problem: it was asked, and has none.
	Bundles(ctx context.Context, digest []byte) ([]Hanging, *Problem)
}

// asking is how many artifacts are judged at once where each may wait for a store.
const asking = 16

// stored asks the store for the bundles of an artifact that has none where it is.
// The artifact is then read once, for its digest, which stands for it.
func (j *Judge) stored(ctx context.Context, t *Target) ([]piece, *Problem) {
	if j.Store == nil {
		return nil, t.unsigned("")
	}
	if problem := t.hash(ctx, j.Stdin); problem != nil {
		return nil, problem
	}
	held, problem := j.Store.Bundles(ctx, t.digest)
	if problem != nil {
		p := *problem
		p.Subject = t.Name
		return nil, &p
	}
	if len(held) == 0 {
		return nil, t.unsigned(j.Store.Name())
	}
	return hanging(held), nil
}

// unsigned is the problem of an artifact of which no bundle is where it was looked
// for, which is in the named store too, unless that is empty.
func (t Target) unsigned(store string) *Problem {
	p := &Problem{Exit: ExitRefused, Subject: t.Name, Code: "unsigned"}
	artifact := artifactOf(t.path)
	switch {
	case t.registry != nil:
		p.Err = errors.New("the registry has the image, and no bundle on it")
	case t.path == "" && store == "":
		return &Problem{Exit: ExitUsage, Subject: t.Name, Code: "usage", Err: errors.New("needs --bundle")}
	case t.path == "":
		p.Err = fmt.Errorf("%s has no bundle of it", store)
		return p
	case artifact != t.path:
		p.Err, p.Try = fmt.Errorf("there is no %s%s", t.path, Suffix), "its artifact, "+Quoted(artifact)
	case t.unread != "":
		p = couldNotLook(t.Name, fmt.Errorf("there is no %s%s, and %s, which may name it, was not read", t.path, Suffix, t.unread))
	case t.listed.digest != nil && t.notNamed() == "":
		p.Err, p.Try = errors.New("neither the file nor the list that it stands in has a bundle"), elsewhere
	case t.notNamed() != "":
		p.Err, p.Try = fmt.Errorf("there is no %s%s, and %s", t.path, Suffix, t.notNamed()), elsewhere
	default:
		p.Err, p.Try = fmt.Errorf("there is no %s%s", t.path, Suffix), elsewhere
	}
	if store != "" {
		p.Err = fmt.Errorf("%w, and %s has none of it", p.Err, store)
	}
	return p
}

// hash has the SHA-256 of the artifact stand for it.
func (t *Target) hash(ctx context.Context, stdin io.Reader) (problem *Problem) {
	if t.digest != nil {
		return nil
	}
	in := stdin
	switch {
	case t.content != nil:
		in = bytes.NewReader(t.content)
	case !t.stdin:
		f, err := t.open()
		if err != nil {
			return Unreadable(t.Name, err)
		}
		defer f.Close()
		in = f
	}
	t.digest, problem = sumOf(ctx, t.Name, in)
	return problem
}
