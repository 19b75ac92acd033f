import { expect, test } from 'vitest';
import { digestOf } from '../../../src/oci/digest.ts';
import type { ManifestReference } from '../../../src/oci/manifest.ts';
import { requiredContent } from '../../../src/registry/pushing/required-content.ts';

const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';

function reference(role: ManifestReference['role'], name: string, mediaType = LAYER): ManifestReference {
  return { role, digest: digestOf(Buffer.from(name)), sizeBytes: name.length, mediaType };
}

test('config, layers and manifests are required, each once', () => {
  const [config, layer, manifest] = [reference('config', 'c'), reference('layer', 'l'), reference('manifest', 'm')];
  expect(requiredContent({ references: [config, layer, layer, manifest, manifest] })).toEqual([
    config,
    layer,
    manifest,
  ]);
});

test('what is listed as a blob and as a manifest is required as both', () => {
  const both = [reference('layer', 'x'), reference('manifest', 'x')];
  expect(requiredContent({ references: both })).toEqual(both);
});

test.each([
  ['a subject', reference('subject', 's')],
  [
    "an image's layer that may not be handed on",
    reference('layer', 'n', LAYER.replace('layer.', 'layer.nondistributable.')),
  ],
  ["Docker's foreign layer", reference('layer', 'f', 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip')],
])('%s is not required', (_, each) => {
  expect(requiredContent({ references: [each] })).toEqual([]);
});

test('nothing is required of nothing', () => {
  expect(requiredContent({ references: [] })).toEqual([]);
});
