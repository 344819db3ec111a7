// SPDX-License-Identifier: Apache-2.0

package trusting

import (
	"errors"
	"fmt"
	"os"

	"github.com/hallmark-sign/hallmark/internal/cli"
	"github.com/hallmark-sign/hallmark/internal/fault"
	"github.com/hallmark-sign/hallmark/trust/store"
)

// trustedInstance is a pinned instance as JSON.
type trustedInstance struct {
	Name        string `json:"name"`
	URL         string `json:"url"`
	Fingerprint string `json:"fingerprint"`
	Default     bool   `json:"default"`
}

// List prints the pinned instances.
func List(env cli.Environment) error {
	h, err := store.Open(env.Getenv)
	if err != nil {
		return err
	}
	names, err := h.List()
	if err != nil {
		return err
	}
	current, err := h.Default()
	if err != nil {
		return err
	}
	for _, name := range names {
		dir, err := h.Instance(name)
		if err != nil {
			return err
		}
		m, err := store.Read(dir)
		if err != nil {
			return fault.Unreadable(dir, err)
		}
		url, err := store.URL(dir, m)
		if err != nil {
			return err
		}
		if env.JSON {
			err = env.PrintJSON(trustedInstance{name, url, m.Fingerprint(), name == current})
		} else {
			mark := map[bool]string{true: "*", false: " "}[name == current]
			_, err = fmt.Fprintf(env.Stdout, "%s %-24s %s  %s\n", mark, name, m.Fingerprint(), url)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Names returns the names of the pinned instances, and none if they can't be read.
func Names(env cli.Environment) []string {
	h, err := store.Open(env.Getenv)
	if err != nil {
		return nil
	}
	names, _ := h.List()
	return names
}

// Remove removes a pinned instance.
func Remove(env cli.Environment, name string) error {
	h, err := store.Open(env.Getenv)
	if err != nil {
		return err
	}
	dir, err := h.Instance(name)
	if err != nil {
		return err
	}
	if _, err := os.Stat(dir); err != nil {
		return &fault.Problem{Exit: fault.ExitUndecided, Subject: name, Code: "no-instance", Err: errors.New("this client does not know the instance")}
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if env.JSON {
		err = env.PrintJSON(map[string]string{"name": name, "done": "removed"})
	} else {
		env.Say("%s is no longer trusted", name)
	}
	if current, none := h.Default(); err != nil || none != nil || current != name {
		return errors.Join(err, none)
	}
	env.Say("it was the default: choose another with --instance, or make one with trust add --default")
	return os.Remove(h.DefaultFile())
}
