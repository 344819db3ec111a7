#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Signs the checksums of a release at an instance on this machine, and verifies
# the release as a user would: sign.sh DIST. The instance is made for this and
# deleted afterwards, so the signature shows that the release signs and verifies;
# it is not one to publish.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

dist="$(cd "$1" && pwd)"
work="$(mktemp -d)"
server=
finish() {
  [[ -z $server ]] || { kill "$server" && wait "$server" || true; }
  rm -rf "$work"
}
trap finish EXIT

CGO_ENABLED=0 go build -trimpath -o "$work/hallmark" ./cmd/hallmark
export HALLMARK_HOME="$work/home"
url=http://127.0.0.1:${PORT:-7599}
(umask 077 && head -c 24 /dev/urandom | base64 >"$work/secret")
cd "$work"
./hallmark init --url "$url" --listen "${url#http://}" --passphrase-file secret instance
./hallmark user add -c instance release@example.com --password-file secret
./hallmark serve -c instance --passphrase-file secret 2>serve.log &
server=$!
for _ in $(seq 100); do
  ! grep -q '"serving"' serve.log || break
  kill -0 "$server" 2>/dev/null || { cat serve.log >&2; exit 1; }
  sleep 0.1
done
./hallmark trust add "$url" --fingerprint "$(./hallmark trust fingerprint instance)"
./hallmark sign --email release@example.com --password-file secret "$dist/SHA256SUMS"
./hallmark verify --identity release@example.com --issuer "$url" --trusted-root instance/trust/trusted_root.json "$dist"
