// Drives the parts of the npm sigstore client by files: its own sign() and
// verify() take no trusted root, no signing config and no Rekor v2.
//
//   node client.cjs sigstore-4 verify  TRUSTED_ROOT BUNDLE FILE IDENTITY ISSUER
//   node client.cjs sigstore-5 sign    SIGNING_CONFIG TOKEN_FILE FILE BUNDLE
//   node client.cjs sigstore-5 attest  SIGNING_CONFIG TOKEN_FILE STATEMENT BUNDLE
//
// verify checks a DSSE bundle's signature and leaves its subjects to the
// caller, as the library does. Exit 1 is a refusal, with the reason on stderr.
'use strict';

const { readFileSync, writeFileSync } = require('node:fs');
const { createRequire } = require('node:module');

const [, , major, verb, ...args] = process.argv;
// Resolve from inside the package, so that its own versions are the ones tested.
const its = createRequire(require.resolve(`${major}/package.json`));
const { bundleFromJSON, bundleToJSON } = its('@sigstore/bundle');
const { SigningConfig, TrustedRoot } = its('@sigstore/protobuf-specs');
const { bundleBuilderFromSigningConfig } = its('@sigstore/sign');
const { Verifier, toSignedEntity, toTrustMaterial } = its('@sigstore/verify');

const json = (file) => JSON.parse(readFileSync(file, 'utf8'));
// The library reads an identity as a pattern.
const exactly = (text) => `^${text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`;

const verbs = {
  verify(trustedRoot, bundleFile, file, identity, issuer) {
    const bundle = bundleFromJSON(json(bundleFile));
    const data = bundle.content.$case === 'messageSignature' ? readFileSync(file) : undefined;
    const verifier = new Verifier(toTrustMaterial(TrustedRoot.fromJSON(json(trustedRoot))), {
      ctlogThreshold: 1,
      tlogThreshold: 1,
      timestampThreshold: 1,
    });
    verifier.verify(toSignedEntity(bundle, data), {
      subjectAlternativeName: exactly(identity),
      extensions: { issuer },
    });
  },
  sign: (config, token, file, out) => make('messageSignature', config, token, { data: readFileSync(file) }, out),
  attest: (config, token, file, out) =>
    make('dsseEnvelope', config, token, { data: readFileSync(file), type: 'application/vnd.in-toto+json' }, out),
};

async function make(bundleType, config, tokenFile, artifact, out) {
  const token = readFileSync(tokenFile, 'utf8').trim();
  const builder = bundleBuilderFromSigningConfig({
    signingConfig: SigningConfig.fromJSON(json(config)),
    identityProvider: { getToken: async () => token },
    bundleType,
    fetchOptions: { timeout: 10000, retry: 0 },
  });
  writeFileSync(out, JSON.stringify(bundleToJSON(await builder.create(artifact))));
}

(async () => {
  try {
    await verbs[verb](...args);
  } catch (err) {
    for (let e = err; e; e = e.cause) console.error(`${e.code ?? e.name}: ${e.message}`);
    process.exitCode = 1;
  }
})();
