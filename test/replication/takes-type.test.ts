import { describe, expect, test } from 'vitest';
import { parseManifest } from '../../src/oci/manifest.ts';
import { takesTypeOf } from '../../src/replication/takes-type.ts';
import { Draft } from './support/draft.ts';
import { ruleWith } from './support/site.ts';
import { digestFor } from './support/scripted-peer.ts';

const draft = new Draft();
const chart = draft.addArtifact({ name: 'chart', artifactType: 'application/vnd.cncf.helm.config.v1+json' });

const takesType = takesTypeOf({
  manifest: async (_, digest) =>
    digest === chart.digest
      ? { digest, mediaType: chart.mediaType, bytes: chart.bytes, parsed: parseManifest(chart.bytes, chart.mediaType) }
      : undefined,
});

describe('a rule that takes some types of artifacts', () => {
  test.each([
    [['application/vnd.cncf.helm.**'], true],
    [['image', 'application/vnd.cncf.**'], true],
    [['image'], false],
  ])('%j takes a chart: %s', async (artifactTypes, isTaken) => {
    const manifest = { repository: 'local/app', digest: chart.digest };
    expect(await takesType(ruleWith({ artifactTypes }), manifest)).toBe(isTaken);
  });

  test('counts what is not here among its own', async () => {
    const manifest = { repository: 'local/app', digest: digestFor('lost') };
    expect(await takesType(ruleWith({ artifactTypes: ['image'] }), manifest)).toBe(true);
  });
});
