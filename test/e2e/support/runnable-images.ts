import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { seededBytes, sha256 } from '../../support/bytes.ts';
import { IMAGE_MEDIA_TYPES, type ImageFormat } from '../../support/images.ts';
import { tar, type TarFile } from './tar.ts';

/** A manifest as it is pushed. */
export interface ManifestPart {
  digest: string;
  mediaType: string;
  bytes: Buffer;
}

/** All that has to be pushed for a tag. */
export interface ImageParts {
  /** What the tag names. */
  root: ManifestPart;
  /** The root's children, if it is an index. */
  children: ManifestPart[];
  /** Bytes by digest. */
  blobs: Map<string, Buffer>;
  /** What the image prints when it is run. */
  message: string;
}

/** The architecture of this machine and one that it is not, as images name them. */
const ARCHITECTURES = process.arch === 'arm64' ? ['arm64', 'amd64'] : ['amd64', 'arm64'];

/** An image of busybox that runs on this machine and prints `message`. */
function runnableImage(format: ImageFormat, message: string): ImageParts {
  const blobs = new Map<string, Buffer>();
  const architecture = ARCHITECTURES[0] ?? '';
  const archives = archivesOf(architecture, message);
  return { root: addImage(blobs, { format, message, architecture, archives }), children: [], blobs, message };
}

/** An OCI index or a docker manifest list of a runnable image and one for another architecture. */
function runnableIndex(format: ImageFormat, message: string): ImageParts {
  const blobs = new Map<string, Buffer>();
  const children = ARCHITECTURES.map((architecture) => {
    return addImage(blobs, { format, message, architecture, archives: archivesOf(architecture, message) });
  });
  const manifests = children.map(({ bytes, digest, mediaType }, index) => {
    return { mediaType, digest, size: bytes.length, platform: { os: 'linux', architecture: ARCHITECTURES[index] } };
  });
  const mediaType = IMAGE_MEDIA_TYPES[format].index;
  return { root: manifestPart(mediaType, { manifests }), children, blobs, message };
}

/** One image of each kind, by the tag it is to get; `of` makes the bytes differ. */
export function imagesOfEachKind(of: string): Record<string, ImageParts> {
  return {
    docker: runnableImage('docker', `a docker image of ${of}`),
    oci: runnableImage('oci', `an OCI image of ${of}`),
    list: runnableIndex('docker', `a docker manifest list of ${of}`),
    index: runnableIndex('oci', `an OCI index of ${of}`),
  };
}

/** Images that run on this machine, by tag: a base layer that they share, and one that each has for itself. */
export function imagesOverOneBase(
  tags: readonly string[],
  { baseBytes, ownBytes }: { baseBytes: number; ownBytes: number },
): Record<string, ImageParts> {
  const architecture = ARCHITECTURES[0] ?? '';
  const base = tar([programFor(architecture), { name: 'base', bytes: seededBytes(baseBytes, 'base') }]);
  const images = tags.map((tag): [string, ImageParts] => {
    const message = `the image ${tag}`;
    const blobs = new Map<string, Buffer>();
    const archives = [base, tar([{ name: 'own', bytes: seededBytes(ownBytes, message) }])];
    const root = addImage(blobs, { format: 'oci', message, architecture, archives });
    return [tag, { root, children: [], blobs, message }];
  });
  return Object.fromEntries(images);
}

/** An image that runs on this machine: busybox in a layer, and layers of noise of these sizes. */
export function imageOfLayers(message: string, sizesBytes: readonly number[]): ImageParts {
  const architecture = ARCHITECTURES[0] ?? '';
  const blobs = new Map<string, Buffer>();
  const noise = sizesBytes.map((size, n) => tar([{ name: `noise-${n}`, bytes: seededBytes(size, `${message} ${n}`) }]));
  const archives = [tar([programFor(architecture)]), ...noise];
  return { root: addImage(blobs, { format: 'oci', message, architecture, archives }), children: [], blobs, message };
}

/** The digests of everything that belongs to an image, in order. */
export function digestsOf({ root, children, blobs }: ImageParts): string[] {
  return [root.digest, ...children.map(({ digest }) => digest), ...blobs.keys()].toSorted();
}

interface ImageSpec {
  format: ImageFormat;
  message: string;
  architecture: string;
  /** The layers, unpacked. */
  archives: readonly Buffer[];
}

function addImage(blobs: Map<string, Buffer>, { format, message, architecture, archives }: ImageSpec): ManifestPart {
  const types = IMAGE_MEDIA_TYPES[format];
  const layers = archives.map((archive) => ({ mediaType: types.layer, ...addBlob(blobs, gzipSync(archive)) }));
  const config = Buffer.from(
    JSON.stringify({
      created: '2026-01-01T00:00:00Z',
      os: 'linux',
      architecture,
      config: { Cmd: ['/bin/busybox', 'echo', message] },
      rootfs: { type: 'layers', diff_ids: archives.map(sha256) },
    }),
  );
  const described = { mediaType: types.config, ...addBlob(blobs, config) };
  return manifestPart(types.manifest, { config: described, layers });
}

function archivesOf(architecture: string, message: string): Buffer[] {
  const filler = { name: 'filler', bytes: seededBytes(300_000, `${message} ${architecture}`) };
  return [programFor(architecture), filler].map((file) => tar([file]));
}

function programFor(architecture: string): TarFile {
  const isOurs = architecture === ARCHITECTURES[0];
  const bytes = isOurs ? readFileSync('/bin/busybox') : seededBytes(500_000, architecture);
  return { name: 'bin/busybox', bytes, mode: 0o755 };
}

function addBlob(blobs: Map<string, Buffer>, bytes: Buffer): { digest: string; size: number } {
  const digest = sha256(bytes);
  blobs.set(digest, bytes);
  return { digest, size: bytes.length };
}

function manifestPart(mediaType: string, content: object): ManifestPart {
  // Indented, so that a mirror which writes JSON anew is found out by the digest.
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...content }, null, 2));
  return { digest: sha256(bytes), mediaType, bytes };
}
