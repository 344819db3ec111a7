//go:build !race

package main

// largeMiB is how large an SBOM is in the scripts: as large as is promised.
const largeMiB = 100
