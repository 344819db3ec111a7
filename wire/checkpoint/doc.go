// SPDX-License-Identifier: Apache-2.0

// Package checkpoint reads, writes and verifies checkpoints. A checkpoint is
// the signed tree head of a transparency log: a short text with the log's name,
// size and root, under note signatures.
//
//	rekor.example.com
//	20852163
//	CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//
//	— rekor.example.com Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe…
//
// It refuses sizes with leading zeros, roots that are not 32 bytes of canonical
// base64, empty extension lines, and envelopes without a signature by a given
// key. Signature lines of unknown keys are ignored wherever they stand, because
// rotated keys and witnesses add such lines.
//
// The signature types are Ed25519 (signed-note), ECDSA and RSA PKCS #1 v1.5 (as
// Rekor logs use them; see [LogID]) and the RFC 6962 tree head signature of
// static-ct-api. TestOpenConformance reads checkpoints of public Sigstore logs.
//
// A [WitnessPolicy] (tlog-policy) lists the witnesses whose cosignatures a checkpoint
// must carry.
//
// Source: https://c2sp.org/tlog-checkpoint, https://c2sp.org/tlog-policy,
// https://c2sp.org/signed-note, https://c2sp.org/static-ct-api (Checkpoints),
// RFC 6962 §3.2 and §3.5.
package checkpoint
