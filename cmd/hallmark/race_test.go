//go:build race

package main

// largeMiB is how large an SBOM is in the scripts; the race detector makes a hundred
// take minutes.
const largeMiB = 20
