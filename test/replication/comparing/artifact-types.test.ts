import { describe, expect, test } from 'vitest';
import { parseManifest } from '../../../src/oci/manifest.ts';
import { OCI_MANIFEST } from '../../../src/oci/media-types.ts';
import type { LocalManifest } from '../../../src/registry/local-content.ts';
import { artifactTypes } from '../../../src/replication/comparing/artifact-types.ts';
import { digestFor } from '../support/scripted-peer.ts';
import { APP, ruleWith } from '../support/site.ts';

/** A manifest with a config of that type. */
function manifestOf(mediaType: string): LocalManifest {
  const config = { mediaType, digest: digestFor('config'), size: 2 };
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [] }));
  const parsed = parseManifest(bytes, OCI_MANIFEST);
  return { digest: digestFor(mediaType), mediaType: OCI_MANIFEST, bytes, parsed };
}

const STORED = [
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.cncf.helm.config.v1+json',
  'application/vnd.example.model+json',
].map(manifestOf);

describe('the types of artifacts that a rule takes', () => {
  test.each([
    { types: ['image'], taken: [true, false, false] },
    { types: ['application/vnd.cncf.*'], taken: [false, true, false] },
    { types: ['image', 'application/*'], taken: [true, true, true] },
  ])('are $types', async ({ types, taken }) => {
    const takes = artifactTypes({
      manifest: async (_, digest) => STORED.find((manifest) => manifest.digest === digest),
    });
    const rule = ruleWith({ artifactTypes: types });
    const found = STORED.map(({ digest }) => takes(rule, { repository: APP, digest }));
    expect(await Promise.all(found)).toEqual(taken);
  });

  test('are unknown of what cannot be read, which is left to its job', async () => {
    const takes = artifactTypes({ manifest: async () => undefined });
    const rule = ruleWith({ artifactTypes: ['image'] });
    expect(await takes(rule, { repository: APP, digest: digestFor('lost') })).toBe(true);
  });
});
