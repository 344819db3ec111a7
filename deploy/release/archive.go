// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// A file is one file of an archive.
type file struct {
	name string
	mode int64
	raw  []byte
}

// archive returns the name and the bytes of the archive of one platform: a .zip for
// Windows, else a .tar.gz. It holds the binaries, the license and the README below
// one directory.
func archive(version, platform string, binaries []binary, at time.Time) (string, []byte, error) {
	stem := fmt.Sprintf("hallmark-%s-%s", version, strings.ReplaceAll(platform, "/", "-"))
	var files []file
	for _, b := range binaries {
		files = append(files, file{stem + "/" + b.name, 0o755, b.raw})
	}
	for _, name := range []string{"LICENSE", "README.md"} {
		raw, err := os.ReadFile(name)
		if err != nil {
			return "", nil, err
		}
		files = append(files, file{stem + "/" + name, 0o644, raw})
	}
	var out bytes.Buffer
	if strings.HasPrefix(platform, "windows/") {
		err := writeZip(&out, files, at)
		return stem + ".zip", out.Bytes(), err
	}
	err := writeTar(&out, files, at)
	return stem + ".tar.gz", out.Bytes(), err
}

func writeTar(w io.Writer, files []file, at time.Time) error {
	compressed := gzip.NewWriter(w)
	out := tar.NewWriter(compressed)
	for _, f := range files {
		header := &tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.raw)), ModTime: at.UTC(), Format: tar.FormatUSTAR}
		if err := out.WriteHeader(header); err != nil {
			return err
		}
		if _, err := out.Write(f.raw); err != nil {
			return err
		}
	}
	if err := out.Close(); err != nil {
		return err
	}
	return compressed.Close()
}

func writeZip(w io.Writer, files []file, at time.Time) error {
	out := zip.NewWriter(w)
	for _, f := range files {
		entry, err := out.CreateHeader(&zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: at.UTC()})
		if err != nil {
			return err
		}
		if _, err := entry.Write(f.raw); err != nil {
			return err
		}
	}
	return out.Close()
}
