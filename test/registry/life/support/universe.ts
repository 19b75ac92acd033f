import { digestOf, type Digest } from '../../../../src/oci/digest.ts';
import { seededBytes } from '../../../support/bytes.ts';
import { IMAGE_MEDIA_TYPES } from '../../../support/images.ts';

/** What a manifest refers to. */
interface Reference {
  readonly role: 'config' | 'layer' | 'manifest' | 'subject';
  readonly digest: Digest;
}

/** A manifest or a blob, as all upstreams have it. */
export interface Content {
  readonly digest: Digest;
  readonly bytes: Buffer;
  /** Of manifests only. */
  readonly mediaType: string | undefined;
  readonly refers: readonly Reference[];
}

/** Something in a repository that clients pull by its digest, and by its tag if it has one. */
export interface UniverseImage {
  /** In full, as in `docker.io/library/a`. */
  readonly repository: string;
  /** Names it in messages; a tag of its repository unless it is told otherwise. */
  readonly name: string;
  readonly isTagged: boolean;
  readonly digest: Digest;
}

/** A tag that moves from one image of its repository to another. */
export const MOVING_TAG = 'latest';
export const QUOTA_REGISTRY = 'ghcr.io';
export const REGISTRIES = ['docker.io', QUOTA_REGISTRY] as const;
export const REPOSITORIES = [
  'docker.io/library/a',
  'docker.io/library/b',
  'docker.io/library/c',
  `${QUOTA_REGISTRY}/owner/d`,
] as const;
/** Has one image, with a layer that is larger than any quota here. */
export const LARGE_REPOSITORY = 'docker.io/library/large';

const TYPES = IMAGE_MEDIA_TYPES.oci;
const LARGE_BYTES = 4 * 1024 * 1024;
const IMAGES_EACH = 4;

const contents = new Map<Digest, Content>();
const images: UniverseImage[] = [];

/**
 * All there is. Images of a repository share a layer, and every other image shares one with those of other repositories;
 * each has one of its own. `b` and `d` have an index of two platforms too, of which `d` tags one by itself; an image of
 * `c` has a signature.
 */
export const UNIVERSE: ReadonlyMap<Digest, Content> = contents;
export const IMAGES: readonly UniverseImage[] = images;

for (const [place, repository] of REPOSITORIES.entries()) {
  for (let number = 0; number < IMAGES_EACH; number += 1) {
    const own = blob(`${repository} ${number}`, 20_000 + ((place * 5 + number * 3) % 8) * 33_000);
    const layers = [blob(`base ${number % 2}`, 90_000), blob(`${repository} shared`, 41_000), own];
    addImage(repository, `v${number}`, image(layers, `${repository} ${number}`));
  }
}
for (const repository of [REPOSITORIES[1], REPOSITORIES[3]]) {
  const children = ['amd64', 'arm64'].map((platform) =>
    image([blob(`multi ${platform}`, 60_000), blob('base 0', 90_000)], `multi ${platform} ${repository}`),
  );
  const manifests = children.map(({ digest, bytes }, position) => ({
    ...descriptor(TYPES.manifest, digest, bytes.length),
    platform: { os: 'linux', architecture: position === 0 ? 'amd64' : 'arm64' },
  }));
  const refers = children.map(({ digest }) => ({ role: 'manifest' as const, digest }));
  addImage(repository, 'multi', manifest(TYPES.index, { manifests }, refers));
  const [first, second] = children;
  if (first) addImage(repository, 'amd64', first, repository === REPOSITORIES[3]);
  if (second) addImage(repository, 'arm64', second, false);
}
addImage(REPOSITORIES[2], 'signature', signature(named(REPOSITORIES[2], 'v1')), false);
addImage(LARGE_REPOSITORY, 'v1', image([blob('small', 30_000), blob('large', LARGE_BYTES)], 'large'));

/** The image of a repository by its name. */
export function named(repository: string, name: string): UniverseImage {
  const found = images.find((each) => each.repository === repository && each.name === name);
  if (!found) throw new Error(`${repository} has no ${name}`);
  return found;
}

/** Content by its digest. */
export function contentOf(digest: Digest): Content {
  const found = contents.get(digest);
  if (!found) throw new Error(`there is no ${digest}`);
  return found;
}

/** For messages. */
export function nameOf(digest: string): string {
  const found = images.find((each) => each.digest === digest);
  return found ? `${found.repository}:${found.name}` : digest.slice(0, 15);
}

/** What clients ask for by digest below it: config and layers. */
export function blobsOf(digest: Digest): Digest[] {
  return contentOf(digest).refers.flatMap((one) => (one.role === 'config' || one.role === 'layer' ? [one.digest] : []));
}

/** The manifests that an index lists. */
export function childrenOf(digest: Digest): Digest[] {
  return contentOf(digest).refers.flatMap((one) => (one.role === 'manifest' ? [one.digest] : []));
}

/**
 * A root with all its parts (src/metadata/metadata-index.ts, `Root`).
 * @param belongs whether a manifest that is merely named, or names another as its subject, is in the repository
 */
export function partsOf(
  root: { digest: Digest; isManifest: boolean },
  belongs: (digest: Digest) => boolean,
): Set<Digest> {
  const parts = new Set([root.digest]);
  if (!root.isManifest) return parts;
  for (const part of parts) {
    for (const { role, digest } of contentOf(part).refers) {
      if (role === 'config' || role === 'layer' || (role === 'manifest' && belongs(digest))) parts.add(digest);
    }
    for (const referrer of referrersOf(part)) if (belongs(referrer)) parts.add(referrer);
  }
  return parts;
}

function referrersOf(subject: Digest): Digest[] {
  const isReferrer = ({ refers }: Content) => refers.some((one) => one.role === 'subject' && one.digest === subject);
  return [...contents.values()].filter(isReferrer).map(({ digest }) => digest);
}

function blob(name: string, sizeBytes: number): Content {
  return add({ bytes: seededBytes(sizeBytes, name), mediaType: undefined, refers: [] });
}

function image(layers: readonly Content[], name: string): Content {
  const config = add({ bytes: Buffer.from(JSON.stringify({ name })), mediaType: undefined, refers: [] });
  const document = {
    config: descriptor(TYPES.config, config.digest, config.bytes.length),
    layers: layers.map(({ digest, bytes }) => descriptor(TYPES.layer, digest, bytes.length)),
  };
  const refers = layers.map(({ digest }) => ({ role: 'layer' as const, digest }));
  return manifest(TYPES.manifest, document, [{ role: 'config', digest: config.digest }, ...refers]);
}

function signature(subject: UniverseImage): Content {
  const { digest, bytes } = contentOf(subject.digest);
  const layer = blob('signature', 3_000);
  const config = blob('empty config', 2);
  const document = {
    artifactType: 'application/vnd.example.signature',
    config: descriptor('application/vnd.oci.empty.v1+json', config.digest, config.bytes.length),
    layers: [descriptor('application/octet-stream', layer.digest, layer.bytes.length)],
    subject: descriptor(TYPES.manifest, digest, bytes.length),
  };
  return manifest(TYPES.manifest, document, [
    { role: 'config', digest: config.digest },
    { role: 'layer', digest: layer.digest },
    { role: 'subject', digest },
  ]);
}

function manifest(mediaType: string, document: object, refers: readonly Reference[]): Content {
  return add({ bytes: Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...document })), mediaType, refers });
}

function descriptor(mediaType: string, digest: Digest, size: number) {
  return { mediaType, digest, size };
}

function add(content: Omit<Content, 'digest'>): Content {
  const added = { ...content, digest: digestOf(content.bytes) };
  contents.set(added.digest, added);
  return added;
}

function addImage(repository: string, name: string, { digest }: Content, isTagged = true): void {
  images.push({ repository, name, isTagged, digest });
}
