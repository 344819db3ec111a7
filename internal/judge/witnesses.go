// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hallmark-sign/hallmark/internal/find"
	"github.com/hallmark-sign/hallmark/policy"
	"github.com/hallmark-sign/hallmark/trust"
	"github.com/hallmark-sign/hallmark/wire/checkpoint"
)

// Witnesses returns what an instance demands: by the log policy in file if one is
// given, else by the one that lies beside the trusted root. Where none does, absent
// is returned.
func Witnesses(file, root string, absent policy.InstanceWitnesses) (policy.InstanceWitnesses, error) {
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
