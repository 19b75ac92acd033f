import { describe, expect, test } from 'vitest';
import { digestOf, type Digest } from '../../../src/oci/digest.ts';
import { parseManifest } from '../../../src/oci/manifest.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../../../src/oci/media-types.ts';
import { parsePlatform } from '../../../src/oci/platform.ts';
import { chooseChildren } from '../../../src/replication/copying/choose-children.ts';

interface Child {
  readonly name: string;
  readonly platform?: string;
  readonly mediaType?: string;
  /** Of an attestation. */
  readonly about?: string;
}

const digestFor = (name: string): Digest => digestOf(Buffer.from(name));
const [AMD64, ARM64, ARM_V6, ARM_V7, ATTESTATION, NESTED, BARE, WINDOWS] = [
  { name: 'amd64', platform: 'linux/amd64' },
  { name: 'arm64', platform: 'linux/arm64/v8' },
  { name: 'arm v6', platform: 'linux/arm/v6' },
  { name: 'arm v7', platform: 'linux/arm/v7' },
  { name: 'attestation', platform: 'unknown/unknown', about: 'amd64' },
  { name: 'nested', mediaType: OCI_INDEX },
  { name: 'bare' },
  { name: 'windows', platform: 'windows/amd64' },
] as const satisfies Child[];

function choose(children: readonly Child[], platforms: readonly string[]) {
  const manifests = children.map(({ name, platform, mediaType = OCI_MANIFEST, about }) => {
    const [os, architecture, variant] = platform?.split('/') ?? [];
    return {
      mediaType,
      digest: digestFor(name),
      size: 2,
      ...(platform !== undefined && { platform: { os, architecture, variant } }),
      ...(about !== undefined && { annotations: { 'vnd.docker.reference.digest': digestFor(about) } }),
    };
  });
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }));
  const wanted = platforms.flatMap((text) => parsePlatform(text) ?? []);
  const { chosen, others } = chooseChildren({ bytes, parsed: parseManifest(bytes, OCI_INDEX) }, wanted);
  const names = (digests: readonly Digest[]) =>
    digests.map((digest) => children.find(({ name }) => digestFor(name) === digest)?.name);
  return { chosen: names(chosen), others: names(others) };
}

describe('of the children of an index are chosen', () => {
  test.each<[what: string, children: readonly Child[], platforms: readonly string[], chosen: readonly string[]]>([
    ['all, where nothing is wanted in particular', [AMD64, ATTESTATION, BARE], [], ['amd64', 'attestation', 'bare']],
    ['those of a platform', [AMD64, ARM64, WINDOWS], ['linux/amd64'], ['amd64']],
    ['those of one of several', [AMD64, ARM64, WINDOWS], ['windows/amd64', 'linux/arm64'], ['arm64', 'windows']],
    ['all variants, where none is named', [ARM_V6, ARM_V7], ['linux/arm'], ['arm v6', 'arm v7']],
    ['the variant that is named', [ARM_V6, ARM_V7], ['linux/arm/v7'], ['arm v7']],
    ['attestations of the chosen', [ATTESTATION, AMD64, ARM64], ['linux/amd64'], ['attestation', 'amd64']],
    ['no attestations of others', [ATTESTATION, AMD64, ARM64], ['linux/arm64'], ['arm64']],
    ['indexes within, to be looked into', [AMD64, NESTED], ['linux/arm64'], ['nested']],
    ['none that say nothing, beside some that do', [AMD64, BARE], ['linux/amd64'], ['amd64']],
    ['all, where none says anything', [BARE, NESTED], ['linux/amd64'], ['bare', 'nested']],
    ['each once', [AMD64, AMD64], ['linux/amd64'], ['amd64']],
    ['none', [AMD64, ATTESTATION], ['linux/s390x'], []],
  ])('%s', (_, children, platforms, chosen) => {
    const result = choose(children, platforms);
    expect(result.chosen).toEqual(chosen);
    const all = new Set(children.map(({ name }) => name));
    expect(new Set([...result.chosen, ...result.others])).toEqual(all);
    expect(result.others.length).toBe(all.size - chosen.length);
  });
});
