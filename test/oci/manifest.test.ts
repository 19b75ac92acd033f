import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ManifestInvalidError, parseManifest, type ParsedManifest } from '../../src/oci/manifest.ts';
import { IMAGE_MEDIA_TYPES } from '../support/images.ts';

const OCI = IMAGE_MEDIA_TYPES.oci;
const DOCKER = IMAGE_MEDIA_TYPES.docker;
const ARTIFACT = 'application/vnd.oci.artifact.manifest.v1+json';

function descriptor(number: number, mediaType: string = OCI.layer) {
  return { mediaType, digest: `sha256:${number.toString(16).padStart(64, '0')}`, size: number };
}

function parse(document: unknown, contentType?: string): ParsedManifest {
  return parseManifest(Buffer.from(JSON.stringify(document)), contentType);
}

const image = {
  schemaVersion: 2,
  mediaType: OCI.manifest as string,
  config: descriptor(1, OCI.config),
  layers: [descriptor(2), descriptor(3)],
};

describe('parseManifest reads', () => {
  test('an image: config and layers, in order', () => {
    const manifest = parse(image, OCI.manifest);
    expect(manifest).toMatchObject({ mediaType: OCI.manifest, isIndex: false, artifactType: OCI.config });
    expect(manifest.references.map(({ role, sizeBytes }) => [role, sizeBytes])).toEqual([
      ['config', 1],
      ['layer', 2],
      ['layer', 3],
    ]);
  });

  test('an index: its manifests', () => {
    const manifest = parse({ mediaType: OCI.index, manifests: [descriptor(1, OCI.manifest)] }, OCI.index);
    expect(manifest).toMatchObject({ isIndex: true, artifactType: undefined });
    expect(manifest.references).toMatchObject([{ role: 'manifest', mediaType: OCI.manifest }]);
  });

  test('an index that lists blobs, as BuildKit keeps its cache: they are layers', () => {
    const cache = descriptor(3, 'application/vnd.buildkit.cacheconfig.v0');
    const { references } = parse({
      mediaType: OCI.index,
      manifests: [descriptor(1), descriptor(2, OCI.manifest), cache],
    });
    expect(references.map(({ role }) => role)).toEqual(['layer', 'manifest', 'layer']);
  });

  test("Docker's schema 2 and its lists", () => {
    const own = { ...image, mediaType: DOCKER.manifest };
    expect(parse(own, DOCKER.manifest)).toMatchObject({ mediaType: DOCKER.manifest, isIndex: false });
    expect(parse({ mediaType: DOCKER.index, manifests: [] }, DOCKER.index)).toMatchObject({ isIndex: true });
  });

  test('an artifact manifest: its blobs are layers', () => {
    const document = { mediaType: ARTIFACT, artifactType: 'a/b', blobs: [descriptor(1)], subject: descriptor(2) };
    const manifest = parse(document, ARTIFACT);
    expect(manifest.artifactType).toBe('a/b');
    expect(manifest.references.map(({ role }) => role)).toEqual(['layer', 'subject']);
  });

  test('what an artifact that is an image says of itself', () => {
    const document = { ...image, artifactType: 'application/x', subject: descriptor(9), annotations: { a: 'b', c: 1 } };
    const manifest = parse(document);
    expect(manifest).toMatchObject({ artifactType: 'application/x', annotations: { a: 'b' } });
    expect(Object.keys(manifest.annotations ?? {})).toEqual(['a']);
    expect(manifest.references.at(-1)).toMatchObject({ role: 'subject', sizeBytes: 9 });
  });

  test.each([
    ['an image', { ...image, mediaType: undefined }, OCI.manifest],
    ['an index', { manifests: [] }, OCI.index],
    ['an artifact', { blobs: [] }, ARTIFACT],
  ])('%s that only its shape makes known', (_, document, mediaType) => {
    for (const sentAs of [undefined, '', 'application/json', 'text/plain; charset=utf-8']) {
      expect(parse(document, sentAs).mediaType).toBe(mediaType);
    }
  });

  test('a type from the Content-Type when the document has none', () => {
    const document = { ...image, mediaType: undefined };
    expect(parse(document, `${DOCKER.manifest}; charset=utf-8`).mediaType).toBe(DOCKER.manifest);
  });

  test('schema 1, which refers to nothing that we know', () => {
    const mediaType = 'application/vnd.docker.distribution.manifest.v1+prettyjws';
    expect(parse({ schemaVersion: 1, fsLayers: [{ blobSum: 'x' }] }, mediaType).references).toEqual([]);
  });

  test('thousands of references, up to 20,000', () => {
    const layers = Array.from({ length: 19_999 }, (_, number) => descriptor(number));
    expect(parse({ ...image, layers }).references).toHaveLength(20_000);
    expect(() => parse({ ...image, layers: [...layers, descriptor(1)] })).toThrow(ManifestInvalidError);
  });

  test('the same digest in several places, and sha512', () => {
    const large = { ...descriptor(1), digest: `sha512:${'a'.repeat(128)}` };
    expect(parse({ ...image, layers: [large, large] }).references).toHaveLength(3);
  });

  test('lists and descriptors that are null as absent', () => {
    expect(parse({ ...image, layers: null, subject: null }).references).toHaveLength(1);
  });
});

describe('parseManifest refuses', () => {
  test.each<[string, Uint8Array]>([
    ['nothing', Buffer.from('')],
    ['a sign-in page', Buffer.from('<!doctype html><title>Sign in</title>')],
    ['JSON that ends too early', Buffer.from('{"schemaVersion":2,"manifests":[')],
    ['two documents', Buffer.from('{"manifests":[]}{"manifests":[]}')],
    ['a list', Buffer.from('[]')],
    ['null', Buffer.from('null')],
    ['a string', Buffer.from('"x"')],
    ['an empty object', Buffer.from('{}')],
    ['a list of errors', Buffer.from('{"errors":[{"code":"UNAVAILABLE"}]}')],
    ['what is not UTF-8', Buffer.from('{"manifests":[],"x":"\xff"}', 'latin1')],
    ['100,000 brackets', Buffer.from('['.repeat(100_000))],
    ['an object that lies 100,000 deep', Buffer.from(`${'{"config":'.repeat(100_000)}1${'}'.repeat(100_000)}`)],
  ])('%s', (_, bytes) => {
    expect(() => parseManifest(bytes, OCI.manifest)).toThrow(ManifestInvalidError);
  });

  test.each([
    [OCI.index, OCI.manifest],
    [DOCKER.manifest, OCI.manifest],
    [OCI.manifest, DOCKER.index],
  ])('a document that says %s and was sent as %s', (own, sentAs) => {
    expect(() => parse({ ...image, mediaType: own }, sentAs)).toThrow(/says mediaType .* but was sent as/);
  });

  test.each([-1, 1.5, NaN, 2 ** 53, '5', null, undefined, true, {}])('a descriptor with size %j', (size) => {
    const text = JSON.stringify({ ...image, layers: [{ ...descriptor(1), size }] });
    expect(() => parseManifest(Buffer.from(text), undefined)).toThrow(/layers\[0\]\.size/);
  });

  test('a size beyond all numbers', () => {
    const text = JSON.stringify({ ...image, layers: [descriptor(77)] }).replace('"size":77', '"size":1e999');
    expect(() => parseManifest(Buffer.from(text), undefined)).toThrow(/layers\[0\]\.size/);
  });

  test.each(['md5:d41d8cd98f00b204e9800998ecf8427e', 'sha256:ABC', '', 7, null, `sha256:${'A'.repeat(64)}`])(
    'a descriptor with digest %j',
    (digest) => {
      expect(() => parse({ ...image, config: { ...descriptor(1), digest } })).toThrow(/config\.digest/);
    },
  );

  test.each([
    ['layers', { ...image, layers: {} }],
    ['layers', { ...image, layers: 'x' }],
    ['manifests', { ...image, manifests: 5 }],
    ['blobs', { ...image, blobs: { 0: descriptor(1) } }],
    ['config', { ...image, config: [] }],
    ['config', { ...image, config: 'x' }],
    ['subject', { ...image, subject: 5 }],
    ['layers[1]', { ...image, layers: [descriptor(1), 'x'] }],
  ])('%s of another shape', (where, document) => {
    expect(() => parse(document)).toThrow(where);
  });
});

describe('parseManifest throws nothing but ManifestInvalidError', () => {
  const part = fc.oneof(fc.jsonValue(), fc.constant(descriptor(5)), fc.array(fc.constant(descriptor(6))));
  const nearManifest = fc.record(
    {
      mediaType: fc.oneof(fc.constantFrom(OCI.manifest, OCI.index, DOCKER.index, ARTIFACT), fc.jsonValue()),
      config: part,
      layers: part,
      blobs: part,
      manifests: part,
      subject: part,
      annotations: fc.oneof(fc.dictionary(fc.string(), fc.string()), fc.jsonValue()),
      artifactType: fc.jsonValue(),
      ['__proto__']: part,
    },
    { requiredKeys: [] },
  );
  const anyBytes = fc.oneof(
    fc.jsonValue().map((value) => Buffer.from(JSON.stringify(value))),
    nearManifest.map((value) => Buffer.from(JSON.stringify(value))),
    fc.uint8Array({ maxLength: 200 }),
  );
  const contentType = fc.option(fc.oneof(fc.constantFrom(OCI.manifest, DOCKER.index), fc.string()), { nil: undefined });

  test('for any JSON, any near-manifest and any bytes', () => {
    fc.assert(
      fc.property(anyBytes, contentType, (bytes, sentAs) => {
        let manifest: ParsedManifest;
        try {
          manifest = parseManifest(bytes, sentAs);
        } catch (error) {
          expect(error).toBeInstanceOf(ManifestInvalidError);
          return;
        }
        const strings = Object.values(manifest.annotations ?? {}).every((value) => typeof value === 'string');
        const sizes = manifest.references.every(({ sizeBytes }) => Number.isSafeInteger(sizeBytes) && sizeBytes >= 0);
        expect([strings, sizes]).toEqual([true, true]);
      }),
      { numRuns: 1000 },
    );
  });
});
