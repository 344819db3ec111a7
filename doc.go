// SPDX-License-Identifier: Apache-2.0

// Package hallmark is Sigstore, whole, in one Go binary: sign software with an
// identity instead of a key, log every signature where it cannot be hidden, and
// verify anywhere, offline.
//
// To verify in a Go program, begin with [verify.Verifier] for one bundle, or with
// [policy.Policy.Verify], which decides about an artifact by a policy file and all of
// its bundles. A bundle is read by [bundle.Parse], the trusted root of an instance by
// [trust.Parse]. To sign, choose services with [client.Open] and sign with
// [sign.Signer]. A test starts an entire instance with [hallmarktest.New]. Each of
// these packages has an example.
//
// Nothing is released yet. The packages verify, sign, bundle, trust, policy, identity
// and hallmarktest are candidates for version 1. The others are public because
// programs need them, and may change; docs/library.md has what to rely on.
//
// All packages, one line each; ARCHITECTURE.md has the rules:
//
//	wire/sigalg        key types, sizes and hashes: the Sigstore algorithm registry
//	wire/dsse          envelope and pre-authentication encoding: DSSE v1
//	wire/intoto        what an attestation is about: in-toto Statement v1
//	wire/simplesigning what cosign 1 and 2 signed for an image
//	wire/checkpoint    signed tree heads: C2SP signed-note, tlog-checkpoint, tlog-cosignature
//	wire/witness       requests to a witness: C2SP tlog-witness
//	wire/tile          tile paths, entry bundles, proofs: C2SP tlog-tiles, RFC 6962
//	wire/sct           signed certificate timestamps: RFC 6962 §3
//	wire/timestamp     time-stamp requests, responses and tokens: RFC 3161, RFC 5816
//	wire/protojson     protobuf messages as JSON, without protobuf
//	wire/rekor         log entries and their canonical bodies: Rekor v1 and v2
//	wire/fulcio        signing-certificate messages, proof of possession: Fulcio API v2
//	wire/attestations  bundles by the digest of their subject: GitHub's attestations API
//	wire/rpcstatus     errors of the REST APIs: google.rpc.Status
//	identity           who signed: issuer, SAN and Fulcio extensions of a certificate
//	bundle             everything that verifying one signature offline takes: bundle v0.1 to v0.3
//	trust              trusted root and signing config, with validity windows
//	verify             bundle + artifact + trusted root + requirements → result or refusal, in nine steps
//	policy             who is trusted, as a file: signers, thresholds, rules
//	policy/cel         conditions on what is attested: CEL
//	sign               content + key + services → bundle
//	client             HTTP clients of the Fulcio, Rekor, timestamp and attestations APIs
//	oci                bundles on images in registries: OCI distribution v1.1 referrers, as cosign 3 has them
//	oci/layout         images in a directory or a .tar: OCI image layout
//	oci/transfer       carries an image from one place to another, whole
//	client/retry       repeats requests to services that are busy: RFC 9110
//	client/idtoken     reads ID tokens as their holder does, unverified
//	client/logread     reads logs and verifies what they show: C2SP tlog-tiles, static-ct-api
//	client/login       an ID token: browser, device, password, or what a CI gives
//	trust/store        what a client has pinned of the instances that it trusts
//	hallmarktest       an entire instance in a test
//	internal/admission bounds on what strangers use up: requests, bytes, attempts
//	internal/refusal   one table of problems for each API: match, status, code, text
//	internal/webpage   pages for people: a layout, a style, no scripts
//	internal/durable   fsynced files, locks and journals
//	internal/durable/disktest a disk that fails and loses power, for tests
//	internal/publickey public keys in the common formats: SPKI, PKCS #1, certificates, OpenSSH
//	internal/keys      signing keys from encrypted PKCS #8 files
//	internal/tilelog   the append-only engine under both logs
//	internal/tilelog/posix where a log lies: a directory, for one process
//	internal/tilelog/dedup which index an entry has, for a log that is asked again
//	internal/logbackup copies a log while it is served, and puts a copy in its place
//	internal/witness   cosigns what logs show, and asks others to: C2SP tlog-witness
//	internal/ctlog     certificate-transparency log: precertificates in, SCTs out
//	internal/rekorlog  transparency log: entries in, inclusion proofs out
//	internal/ca        certificate authority: tokens and proofs in, certificates out
//	internal/tsa       timestamp authority: RFC 3161
//	internal/evidence  evidence store: verified bundles in, by digest out
//	internal/oidc      checks ID tokens of configured issuers
//	internal/claims    what the claims of an ID token become, and who is allowed
//	internal/issuer    the built-in login, an OpenID provider
//	internal/ceremony  the certificates of the authorities
//	internal/config    hallmark.yaml
//	internal/control   what commands ask of a running server, over a Unix socket
//	internal/listener  answers HTTP: deadlines, connections, TLS certificates, an orderly end
//	internal/server    all of it on one listener
//	internal/instance  the directory of an instance: made once, opened to be served
//	internal/fault     errors as users see them: code, exit status, reason, remedy
//	internal/find      the files, images and digests that arguments name, and their bundles
//	internal/judge     judges what was found by a policy, many at once
//	internal/report    writes verdicts for people and for machines
//	internal/lookup    finds bundles on images and in evidence stores
//	internal/signing   services, ID token, signature, own verification, place: what sign does
//	internal/ownlog    the logs of an instance: which there are, and what was seen of each
//	internal/cli       the terminal: prompts, tables, progress, errors with exit status and remedy
//	internal/describe  bundles, certificates and log entries in words and as JSON
//	internal/images    copies, saves, loads, lists, cleans and downloads what is on images
//	internal/operate   makes and runs instances and witnesses: accounts, backups, rotation
//	internal/readlog   shows, proves, checks and follows entries of logs
//	internal/trial     tries hallmark on this machine, and measures a running instance
//	internal/trusting  pins instances, and selects among those pinned
//	internal/verifying verifies by a policy and prints the verdicts; tests and proposes policies
//	internal/testkit   keys and nightly runs, for the tests of other packages
//	cmd/hallmark       the command, one file a verb
//	cmd/hallmark-verify  the verify verb alone, in a small binary
//	bench              measurements of a running instance, which hallmark bench prints
//	interop            other people's clients as judges, a module of its own
//
// [verify.Verifier]: https://pkg.go.dev/github.com/hallmark-sign/hallmark/verify#Verifier
// [policy.Policy.Verify]: https://pkg.go.dev/github.com/hallmark-sign/hallmark/policy#Policy.Verify
// [bundle.Parse]: https://pkg.go.dev/github.com/hallmark-sign/hallmark/bundle#Parse
// [trust.Parse]: https://pkg.go.dev/github.com/hallmark-sign/hallmark/trust#Parse
// [client.Open]: https://pkg.go.dev/github.com/hallmark-sign/hallmark/client#Open
// [sign.Signer]: https://pkg.go.dev/github.com/hallmark-sign/hallmark/sign#Signer
// [hallmarktest.New]: https://pkg.go.dev/github.com/hallmark-sign/hallmark/hallmarktest#New
package hallmark
