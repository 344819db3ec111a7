// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"

	"go.yaml.in/yaml/v3"

	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

func (w *Witnesses) check() error {
	if w.Quorum < 1 || w.Quorum > len(w.Peers) {
		return fmt.Errorf("quorum is %d, of %d peers", w.Quorum, len(w.Peers))
	}
	if w.Demanded && !w.Required {
		return errors.New("demanded needs required: clients would refuse what the log answers with")
	}
	seen := map[string]bool{}
	for i, p := range w.Peers {
		u, err := url.Parse(p.URL)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			return fmt.Errorf("peer %d: %q is not a URL", i+1, p.URL)
		}
		key, err := checkpoint.ParseKey(p.Key)
		if err != nil {
			return fmt.Errorf("peer %d: %w", i+1, err)
		}
		if !key.Cosigning {
			return fmt.Errorf("peer %d: the key is that of a log, not of a witness", i+1)
		}
		if seen[string(key.Public)] {
			return fmt.Errorf("peer %d: the key is that of another peer, and would count twice", i+1)
		}
		seen[string(key.Public)] = true
	}
	return nil
}

// WitnessFile is the name of a witness's configuration in its directory.
const WitnessFile = "witness.yaml"

// Witness is witness.yaml:
//
//	name: witness.example.com
//	listen: 0.0.0.0:443
//	tls:
//	  certificate: tls/cert.pem
//	  key: tls/key.pem
//	logs:
//	  - rekor.example.com+8075dfc6+AZfo92bPNw0RGqdm3sPQZRQAPj+Mz7THKb0sVOBVVDmd
type Witness struct {
	// Name names the witness on its cosignatures: a URL without scheme. It and the
	// key stay as they are for the life of the witness.
	Name string `yaml:"name"`

	// Listen is the address that it listens on.
	Listen string `yaml:"listen"`

	// TLS has it speak TLS. Nothing that a witness says or is told is secret, and all
	// of it is signed.
	TLS *TLS `yaml:"tls,omitempty"`

	// Logs are the verifier keys of the logs that it cosigns, as an instance has its
	// log's in trust/rekor.vkey. A log may have several.
	Logs []string `yaml:"logs"`

	// Dir is the directory of the file.
	Dir string `yaml:"-"`
}

// LoadWitness reads and checks the configuration at path.
func LoadWitness(path string) (*Witness, error) {
	var w Witness
	dir, err := load(path, &w)
	if err == nil {
		w.Dir, err = dir, w.Check()
	}
	if err != nil {
		return nil, fmt.Errorf("loading configuration %s: %w", path, err)
	}
	return &w, nil
}

// Check returns an error for settings that can't work.
func (w *Witness) Check() error {
	if _, _, err := net.SplitHostPort(w.Listen); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if w.TLS != nil && (w.TLS.Certificate == "" || w.TLS.Key == "") {
		return errors.New("tls: certificate and key are both needed")
	}
	_, err := w.Keys()
	return err
}

// Keys returns the keys of the logs.
func (w *Witness) Keys() ([]checkpoint.Key, error) {
	keys := make([]checkpoint.Key, len(w.Logs))
	for i, text := range w.Logs {
		key, err := checkpoint.ParseKey(text)
		if err != nil {
			return nil, fmt.Errorf("log %d: %w", i+1, err)
		}
		if key.Cosigning {
			return nil, fmt.Errorf("log %d: the key is that of a witness, not of a log", i+1)
		}
		keys[i] = key
	}
	return keys, nil
}

// Marshal writes the configuration as LoadWitness reads it.
func (w *Witness) Marshal() ([]byte, error) { return yaml.Marshal(w) }

// Path returns a path of the configuration. A relative path starts at the directory
// of the configuration file.
func (w *Witness) Path(elements ...string) string { return under(w.Dir, elements) }
