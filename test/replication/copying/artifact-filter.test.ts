import { describe, expect, test } from 'vitest';
import { parseManifest } from '../../../src/oci/manifest.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../../../src/oci/media-types.ts';
import { compileArtifactFilter } from '../../../src/replication/copying/artifact-filter.ts';
import { digestFor } from '../support/scripted-peer.ts';

const CONFIGS = {
  oci: 'application/vnd.oci.image.config.v1+json',
  docker: 'application/vnd.docker.container.image.v1+json',
  helm: 'application/vnd.cncf.helm.config.v1+json',
  empty: 'application/vnd.oci.empty.v1+json',
} as const;

function manifest(config: keyof typeof CONFIGS, artifactType?: string) {
  const descriptor = { mediaType: CONFIGS[config], digest: digestFor(config), size: 2 };
  const document = { schemaVersion: 2, mediaType: OCI_MANIFEST, artifactType, config: descriptor, layers: [] };
  return parseManifest(Buffer.from(JSON.stringify(document)), undefined);
}

function index(artifactType?: string) {
  const document = { schemaVersion: 2, mediaType: OCI_INDEX, artifactType, manifests: [] };
  return parseManifest(Buffer.from(JSON.stringify(document)), undefined);
}

const SBOM = 'application/spdx+json';

describe('a filter of artifact types', () => {
  test.each([
    ['nothing', [], manifest('helm'), true],
    ['image', ['image'], manifest('oci'), true],
    ['image', ['image'], manifest('docker'), true],
    ['image', ['image'], index(), true],
    ['image', ['image'], manifest('helm'), false],
    ['image', ['image'], manifest('empty', SBOM), false],
    ['image', ['image'], manifest('oci', SBOM), false],
    ['image', ['image'], index(SBOM), false],
    ['a config type', ['application/vnd.cncf.helm.*'], manifest('helm'), true],
    ['a config type', ['application/vnd.cncf.helm.*'], manifest('oci'), false],
    ['an artifact type', [SBOM], manifest('empty', SBOM), true],
    ['an artifact type', [SBOM], index(SBOM), true],
    ['an artifact type', [SBOM], index(), false],
    ['everything', ['**'], manifest('empty', SBOM), true],
    ['one of several', ['image', SBOM], manifest('empty', SBOM), true],
  ])('that names %s', (_, patterns, parsed, isTaken) => {
    expect(compileArtifactFilter(patterns)(parsed)).toBe(isTaken);
  });
});
