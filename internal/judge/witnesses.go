// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

// Facts returns what is known beside the trusted root at path: when it was fetched, and the
// witnesses that its instance demands, by the log policy in file or, if none is given, by the
// one beside the trusted root. An instance that is pinned without a log policy demands none. A
// trusted root that was given alone leaves it unknown.
func Facts(path, file string, pinned bool) (policy.Facts, error) {
	facts := policy.Facts{Now: time.Now()}
	if info, err := os.Stat(path); err == nil && path != find.Stdin {
		facts.RootFetched = info.ModTime()
	}
	absent := policy.UnknownWitnessesUnsafe()
	if pinned {
		absent = policy.KnownWitnesses()
	}
	var err error
	facts.Witnesses, err = witnesses(file, path, absent)
	return facts, err
}

// witnesses returns what an instance demands: by the log policy in file if one is
// given, else by the one that lies beside the trusted root. Where none does, absent
// is returned.
func witnesses(file, root string, absent policy.InstanceWitnesses) (policy.InstanceWitnesses, error) {
	if file == "" && root == find.Stdin {
		return absent, nil
	}
	if file == "" {
		file = filepath.Join(filepath.Dir(root), trust.LogPolicyFile)
		if _, err := os.Lstat(file); errors.Is(err, fs.ErrNotExist) {
			return absent, nil
		}
	}
	p, err := find.Parsed(file, checkpoint.MaxWitnessPolicy, checkpoint.ParseWitnessPolicy)
	if err != nil {
		return policy.InstanceWitnesses{}, err
	}
	return policy.KnownWitnesses(p), nil
}
