// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/wire/attestations"
)

// perPage is the default number of bundles in a response.
const perPage = 30

// maxPage bounds the bundles of one response together, in bytes, unless there
// is only one. A response may therefore have fewer than requested.
const maxPage = attestations.MaxBundle

// A query holds the parameters of a GET.
type query struct {
	perPage       int
	after, before int // id; 0 if absent
	kind          string
	predicateType string
}

// parseQuery parses the query. Errors: errQuery.
func parseQuery(text string) (query, error) {
	values, err := url.ParseQuery(text)
	if err != nil {
		return query{}, fmt.Errorf("%w: %w", errQuery, err)
	}
	q := query{perPage: perPage, predicateType: values.Get("predicate_type")}
	for name, to := range map[string]*int{"per_page": &q.perPage, "after": &q.after, "before": &q.before} {
		if !values.Has(name) {
			continue
		}
		if *to, err = strconv.Atoi(values.Get(name)); err != nil || *to < 1 {
			return query{}, fmt.Errorf("%w: %s", errQuery, name)
		}
	}
	if q.perPage > attestations.MaxPage || q.after > 0 && q.before > 0 {
		return query{}, fmt.Errorf("%w: per_page, or after and before together", errQuery)
	}
	if q.predicateType != "" {
		q.kind = kindOf(q.predicateType)
	}
	return q, nil
}

// link returns the query of the page before or after id.
func (q query) link(side string, id int) string {
	values := url.Values{"per_page": {strconv.Itoa(q.perPage)}, side: {strconv.Itoa(id)}}
	if q.predicateType != "" {
		values.Set("predicate_type", q.predicateType)
	}
	return values.Encode()
}

// A page is a response before it is written.
type page struct {
	records []record
	size    int64 // of all bundles
	links   []string
}

func (s *Store) serveGet(w http.ResponseWriter, r *http.Request, digest []byte) error {
	q, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	p, err := s.page(digest, q)
	if err != nil {
		return err
	}
	for _, link := range p.links {
		w.Header().Add("Link", link)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.FormatInt(attestations.PageSize(len(p.records), p.size), 10))
	w.Header().Set("Cache-Control", "no-cache")
	if r.Method == http.MethodHead {
		return nil
	}
	// The client detects a truncated response by its length.
	if err := attestations.WritePage(w, s.open(digest, p.records)); err != nil && r.Context().Err() == nil {
		s.o.Logger.WarnContext(r.Context(), "answer cut off", "cause", err)
	}
	return nil
}

// page returns the requested bundles. Errors: errNotFound.
func (s *Store) page(digest []byte, q query) (page, error) {
	held, err := s.list(digest)
	if err != nil {
		return page{}, err
	}
	if len(held) == 0 {
		return page{}, errNotFound
	}
	all := slices.DeleteFunc(held, func(r record) bool { return q.kind != "" && r.kind != q.kind })
	asked := slices.DeleteFunc(slices.Clone(all), func(r record) bool { return r.id <= q.after || q.before > 0 && r.id >= q.before })
	backwards := q.before > 0
	if backwards {
		slices.Reverse(asked)
	}
	var p page
	for _, r := range asked {
		if len(p.records) == q.perPage || len(p.records) > 0 && p.size+r.size > maxPage {
			break
		}
		p.records, p.size = append(p.records, r), p.size+r.size
	}
	if backwards {
		slices.Reverse(p.records)
	}
	if len(p.records) > 0 {
		p.links = s.links(digest, q, all, p.records)
	}
	return p, nil
}

// links returns links to the bundles before and after the chosen ones.
func (s *Store) links(digest []byte, q query, all, chosen []record) []string {
	var links []string
	add := func(relation, side string, id int) {
		links = append(links, attestations.Link(s.o.URL+prefix+attestations.FormatDigest(digest)+"?"+q.link(side, id), relation))
	}
	if last := chosen[len(chosen)-1]; last != all[len(all)-1] {
		add("next", "after", last.id)
	}
	if chosen[0] != all[0] {
		add("prev", "before", chosen[0].id)
	}
	return links
}

// open returns an iterator that opens each file when it is reached.
func (s *Store) open(digest []byte, records []record) iter.Seq2[io.Reader, error] {
	return func(yield func(io.Reader, error) bool) {
		for _, r := range records {
			f, err := s.o.FS.Open(filepath.Join(s.dir(digest), r.file()), os.O_RDONLY, 0)
			if err != nil {
				yield(nil, err)
				return
			}
			more := yield(durable.Content(f, r.size), nil)
			f.Close()
			if !more {
				return
			}
		}
	}
}
