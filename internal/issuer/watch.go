// SPDX-License-Identifier: Apache-2.0

package issuer

import (
	"context"
	"os"
	"path/filepath"
	"time"
)

// watchPause bounds the delay until changes by another process are logged.
const watchPause = time.Second

// Watch logs changes of the accounts, which other processes make, until ctx
// ends.
func (i *Issuer) Watch(ctx context.Context) {
	ticker := time.NewTicker(watchPause)
	defer ticker.Stop()
	known, at := i.snapshot(nil), i.changedAt()
	for {
		select {
		case <-ctx.Done():
			i.snapshot(known)
			return
		case <-ticker.C:
		}
		if now := i.changedAt(); now != at {
			known, at = i.snapshot(known), now
		}
	}
}

// A version changes when the file does.
type version struct {
	at   time.Time
	size int64
}

func (i *Issuer) changedAt() version {
	info, err := os.Stat(filepath.Join(i.accounts.dir, accountsFile))
	if err != nil {
		return version{}
	}
	return version{info.ModTime(), info.Size()}
}

// snapshot reads the accounts by subject and logs the differences from before,
// unless before is nil.
func (i *Issuer) snapshot(before map[string]record) map[string]record {
	f, err := i.accounts.read()
	if err != nil {
		i.logger.Error("accounts can't be read", "cause", err)
		return before
	}
	now := make(map[string]record, len(f.Accounts))
	for _, r := range f.Accounts {
		now[r.Subject] = r
	}
	if before != nil {
		i.logChanges(before, now)
	}
	return now
}

func (i *Issuer) logChanges(before, now map[string]record) {
	for subject, r := range now {
		old, known := before[subject]
		switch {
		case !known:
			i.logger.Info("account added", "account", r.Email)
		case old.Password != r.Password:
			i.logger.Info("account has a new password", "account", r.Email)
		}
	}
	for subject, r := range before {
		if _, ok := now[subject]; !ok {
			i.logger.Info("account removed", "account", r.Email)
		}
	}
}
