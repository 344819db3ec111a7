// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"fmt"
	"testing"
	"time"
)

// benchKinds returns the kinds of bundles whose verification is measured.
func benchKinds(t testing.TB) []seed {
	kinds := map[string]string{
		"happy-path-v0.1":                     "v0.1-rekor1-set",
		"happy-path-v0.3":                     "v0.3-rekor1-proof",
		"happy-path-intoto-in-dsse-v3":        "v0.3-rekor1-attestation",
		"rekor2-happy-path":                   "v0.3-rekor2",
		"rekor2-dsse-happy-path":              "v0.3-rekor2-attestation",
		"rekor2-checkpoint-two-sigs-cosigned": "v0.3-rekor2-cosigned",
		"rekor2-timestamp-with-embedded-cert": "v0.3-rekor2-embedded-tsa",
		"managed-key-and-trusted-root":        "managed-key",
	}
	var seeds []seed
	for _, s := range suiteSeeds(t) {
		if name, ok := kinds[s.name]; ok {
			s.name = name
			seeds = append(seeds, s)
		}
	}
	if len(seeds) == 0 {
		t.Skip("no bundles to measure with")
	}
	return seeds
}

// BenchmarkVerify verifies one bundle again and again with verifiers that are
// made already; "whole" begins with the bundle's JSON, "parsed" after it.
func BenchmarkVerify(b *testing.B) {
	for _, s := range benchKinds(b) {
		hallmark, sigstoreGo := judgesOf(b, s)
		for _, j := range []judge{hallmark, sigstoreGo} {
			b.Run(fmt.Sprintf("%s/whole/%s", s.name, j.name), func(b *testing.B) { j.measure(b, s.raw, true) })
		}
		for _, j := range []judge{hallmark, sigstoreGo} {
			b.Run(fmt.Sprintf("%s/parsed/%s", s.name, j.name), func(b *testing.B) { j.measure(b, s.raw, false) })
		}
	}
}

func (j judge) measure(b *testing.B, raw []byte, whole bool) {
	parsed, err := j.parse(raw)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if whole {
			_, err = j.verify(raw)
		} else {
			_, err = j.decide(parsed)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRatio takes turns with the two judges, so that both meet the same
// machine, and says how many times sigstore-go's rate hallmark's is, and which
// part of its allocations hallmark makes.
func BenchmarkRatio(b *testing.B) {
	for _, s := range benchKinds(b) {
		hallmark, sigstoreGo := judgesOf(b, s)
		b.Run(s.name, func(b *testing.B) {
			var ours, theirs time.Duration
			for b.Loop() {
				ours += hallmark.timed(b, s.raw)
				theirs += sigstoreGo.timed(b, s.raw)
			}
			b.ReportMetric(float64(theirs)/float64(ours), "x-rate")
			b.ReportMetric(hallmark.allocations(b, s.raw)/sigstoreGo.allocations(b, s.raw), "x-allocs")
		})
	}
}

func (j judge) timed(b *testing.B, raw []byte) time.Duration {
	start := time.Now()
	if _, err := j.verify(raw); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}

func (j judge) allocations(b *testing.B, raw []byte) float64 {
	return testing.AllocsPerRun(10, func() {
		if _, err := j.verify(raw); err != nil {
			b.Fatal(err)
		}
	})
}
