// SPDX-License-Identifier: Apache-2.0

package trusting

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/durable"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/trust/store"
)

// A pin is what a client stores about an instance.
type pin struct {
	dir, url    string
	material    *trust.Material
	authorities []byte // of its TLS certificate, PEM; nil: the system's
}

// files returns the contents of all files of the directory by name; nil where the pin has
// no such file.
func (p pin) files() map[string][]byte {
	all := map[string][]byte{store.AuthoritiesFile: p.authorities, store.URLFile: []byte(p.url + "\n")}
	for _, f := range trust.Files() {
		all[f.Name], _ = p.material.File(f.Name)
	}
	return all
}

// write replaces the files in the directory. It removes optional files of the instance that
// was pinned before only once the new files are in place.
func (p pin) write() error {
	all := p.files()
	var batch durable.Batch
	for name, data := range all {
		if data == nil {
			continue
		}
		if err := batch.Write(filepath.Join(p.dir, name), data, 0o644); err != nil {
			return err
		}
	}
	if err := batch.Sync(); err != nil {
		return err
	}
	for name, data := range all {
		if data != nil {
			continue
		}
		if err := os.Remove(filepath.Join(p.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (f Addition) keep(env cli.Environment, h store.Store, p pin) error {
	if err := p.write(); err != nil {
		return err
	}
	current, err := h.Default()
	if err != nil {
		return err
	}
	if current == "" || f.Default {
		if err := durable.WriteFile(h.DefaultFile(), []byte(f.Name+"\n"), 0o644); err != nil {
			return err
		}
		current = f.Name
	}
	if env.JSON {
		return env.PrintJSON(trustedInstance{f.Name, p.url, p.material.Fingerprint(), f.Name == current})
	}
	env.Say("trusted as %s; the default instance is %s", f.Name, current)
	return nil
}
