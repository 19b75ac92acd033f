import { describe, expect, test } from 'vitest';
import {
  ACCEPT_MANIFESTS,
  isForeignLayerType,
  isIndexType,
  isManifestType,
  mediaTypeOf,
} from '../../src/oci/media-types.ts';

describe('media types', () => {
  test.each([
    ['application/vnd.oci.image.manifest.v1+json', true, false],
    ['application/vnd.oci.image.index.v1+json', true, true],
    ['application/vnd.docker.distribution.manifest.v2+json', true, false],
    ['application/vnd.docker.distribution.manifest.list.v2+json', true, true],
    ['application/vnd.oci.artifact.manifest.v1+json', true, false],
    ['application/vnd.docker.distribution.manifest.v1+json', true, false],
    ['application/vnd.docker.distribution.manifest.v1+prettyjws', true, false],
    ['application/vnd.oci.image.config.v1+json', false, false],
    ['application/json', false, false],
    ['', false, false],
  ])('%j: manifest %s, index %s', (mediaType, isManifest, isIndex) => {
    expect([isManifestType(mediaType), isIndexType(mediaType)]).toEqual([isManifest, isIndex]);
  });

  test('what upstreams are told that we take are manifest types, without schema 1', () => {
    const offered = ACCEPT_MANIFESTS.split(', ');
    expect(offered.filter((mediaType) => !isManifestType(mediaType))).toEqual([]);
    expect(ACCEPT_MANIFESTS).not.toMatch(/docker\.distribution\.manifest\.v1/);
    expect(offered).toHaveLength(5);
  });

  test.each([
    [undefined, ''],
    ['', ''],
    [';', ''],
    ['application/json', 'application/json'],
    ['Application/JSON; charset=utf-8', 'application/json'],
    ['  application/vnd.oci.image.index.v1+json  ;a=b;c=d', 'application/vnd.oci.image.index.v1+json'],
  ])('the media type of Content-Type %j is %j', (contentType, expected) => {
    expect(mediaTypeOf(contentType)).toBe(expected);
  });

  test.each([
    ['application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', true],
    ['application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', true],
    ['application/vnd.oci.image.layer.v1.tar+gzip', false],
    ['application/vnd.docker.image.rootfs.diff.tar.gzip', false],
    ['', false],
  ])('a layer of type %j lives elsewhere: %s', (mediaType, isForeign) => {
    expect(isForeignLayerType(mediaType)).toBe(isForeign);
  });
});
