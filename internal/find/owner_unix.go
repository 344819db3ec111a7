// SPDX-License-Identifier: Apache-2.0

//go:build unix

package find

import (
	"io/fs"
	"syscall"
)

// sameOwnerAndVolume reports whether two directories belong to one user and are on one
// file system.
func sameOwnerAndVolume(a, b fs.FileInfo) bool {
	x, xOK := a.Sys().(*syscall.Stat_t)
	y, yOK := b.Sys().(*syscall.Stat_t)
	return xOK && yOK && x.Uid == y.Uid && x.Dev == y.Dev
}
