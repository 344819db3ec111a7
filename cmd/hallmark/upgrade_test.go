// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

// unpackCommand implements "unpack NAME": it extracts testdata/upgrade/NAME.tar.gz, what
// an earlier build left on disk, with the file modes that it had.
func unpackCommand(base string) func(ts *testscript.TestScript, _ bool, args []string) {
	return func(ts *testscript.TestScript, _ bool, args []string) {
		archive, err := os.Open(filepath.Join(base, "testdata", "upgrade", args[0]+".tar.gz"))
		ts.Check(err)
		defer archive.Close()
		uncompressed, err := gzip.NewReader(archive)
		ts.Check(err)
		entries := tar.NewReader(uncompressed)
		for {
			entry, err := entries.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			ts.Check(err)
			ts.Check(extract(ts.MkAbs(entry.Name), entry, entries))
		}
	}
}

func extract(path string, entry *tar.Header, content io.Reader) error {
	if entry.Typeflag == tar.TypeDir {
		return os.MkdirAll(path, entry.FileInfo().Mode())
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, entry.FileInfo().Mode())
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}

// forwardCommand implements "forward FROM TO": until the script ends, connections to the
// address FROM are forwarded to TO. It stands for the second host name of an instance.
func forwardCommand(ts *testscript.TestScript, _ bool, args []string) {
	listener, err := net.Listen("tcp", args[0])
	ts.Check(err)
	ts.Defer(func() { listener.Close() })
	go func() {
		for {
			incoming, err := listener.Accept()
			if err != nil {
				return
			}
			go forward(incoming, args[1])
		}
	}()
}

func forward(incoming net.Conn, to string) {
	defer incoming.Close()
	outgoing, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer outgoing.Close()
	go io.Copy(outgoing, incoming)
	io.Copy(incoming, outgoing)
}
