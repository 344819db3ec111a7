// SPDX-License-Identifier: Apache-2.0

package ownlog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hallmark-sign/hallmark/internal/config"
	"github.com/hallmark-sign/hallmark/internal/fault"
)

// A Copy is one log that is copied to a directory.
type Copy struct{ From, To string }

// PlanBackup returns the logs to copy from source, an instance or one of its logs.
func PlanBackup(given, source, target string) (*Logs, []Copy, error) {
	if !IsInstance(source) {
		if _, err := os.Stat(filepath.Join(source, "checkpoint")); errors.Is(err, fs.ErrNotExist) {
			return nil, nil, fault.Unreadable(source, fmt.Errorf("it is no instance, which has %s, and no log, which has a checkpoint", config.File))
		}
		logs, err := Open(given, source)
		return logs, []Copy{{source, target}}, err
	}
	logs, err := Open(source, "")
	if err != nil {
		return nil, nil, err
	}
	if err := checkBackup(target); err != nil {
		return nil, nil, err
	}
	var all []Copy
	for _, one := range logs.all {
		all = append(all, Copy{filepath.Join(source, one.dir), filepath.Join(target, one.dir)})
	}
	return logs, all, nil
}

// checkBackup refuses a directory that has other things than backups of logs.
func checkBackup(target string) error {
	entries, err := os.ReadDir(target)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &fault.Problem{Exit: fault.ExitUsage, Subject: target, Code: "unwritable", Err: err}
	}
	for _, entry := range entries {
		if name := entry.Name(); name != "ct" && name != "lost+found" && !strings.HasPrefix(name, "rekor") && !strings.HasPrefix(name, ".") {
			return &fault.Problem{
				Exit: fault.ExitUsage, Subject: target, Code: "exists", Err: fmt.Errorf("%s is in it, which is of no backup", name), Remedy: "own-directory", Names: []string{filepath.Join(target, "hallmark-backup")},
			}
		}
	}
	return nil
}
