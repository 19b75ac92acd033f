import { CodedError } from '../util/coded-error.ts';
import { parseDigest, type Digest } from './digest.ts';
import {
  isImageType,
  isIndexType,
  isManifestType,
  mediaTypeOf,
  OCI_ARTIFACT,
  OCI_INDEX,
  OCI_MANIFEST,
} from './media-types.ts';
import type { Platform } from './platform.ts';

/** What a manifest refers to, and as what. */
export interface ManifestReference {
  readonly role: 'config' | 'layer' | 'manifest' | 'subject';
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly mediaType: string;
  /** What an index says that one of its manifests is for. */
  readonly platform?: Platform;
}

/** The parts of a manifest that a registry acts on; its bytes are kept as they came. */
export interface ParsedManifest {
  readonly mediaType: string;
  readonly isIndex: boolean;
  /** For the referrers list: `artifactType`, else the config's media type (distribution-spec, "Listing Referrers"). */
  readonly artifactType: string | undefined;
  readonly annotations: Readonly<Record<string, string>> | undefined;
  readonly references: readonly ManifestReference[];
}

/** A manifest that cannot be taken. `code` is `MANIFEST_INVALID`. */
export class ManifestInvalidError extends CodedError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('MANIFEST_INVALID', message, options);
  }
}

/** More descriptors than any real image has: a bound on what one manifest can put into the index. */
const MAX_REFERENCES = 20_000;

/**
 * Reads a manifest or an index (image-spec manifest.md, image-index.md; Docker's schema 2 and lists have the same shape).
 * @param contentType what it was sent as; its own `mediaType` must not contradict it
 * @throws ManifestInvalidError for anything that is not such a document
 */
export function parseManifest(bytes: Uint8Array, contentType: string | undefined): ParsedManifest {
  const document = parseObject(bytes);
  const mediaType = manifestType(document, mediaTypeOf(contentType));
  requireShape(document, mediaType);
  const references = referencesOf(document);
  if (references.length > MAX_REFERENCES) {
    throw new ManifestInvalidError(`the manifest has ${references.length} descriptors; ${MAX_REFERENCES} is the limit`);
  }
  const config = references.find((reference) => reference.role === 'config');
  return {
    mediaType,
    isIndex: isIndexType(mediaType),
    artifactType: textOf(document['artifactType']) ?? config?.mediaType,
    annotations: annotationsOf(document['annotations']),
    references,
  };
}

function parseObject(bytes: Uint8Array): Record<string, unknown> {
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new ManifestInvalidError('the manifest is not JSON', { cause });
  }
  if (!isObject(document)) throw new ManifestInvalidError('the manifest is not a JSON object');
  return document;
}

function manifestType(document: Record<string, unknown>, sentAs: string): string {
  const own = textOf(document['mediaType']);
  if (own && isManifestType(own)) {
    if (isManifestType(sentAs) && sentAs !== own) {
      throw new ManifestInvalidError(`the manifest says mediaType ${own} but was sent as ${sentAs}`);
    }
    return own;
  }
  if (isManifestType(sentAs)) return sentAs;
  // A registry behind a plain file server sends application/json; the document's shape tells what it is.
  if (Array.isArray(document['manifests'])) return OCI_INDEX;
  if (isObject(document['config'])) return OCI_MANIFEST;
  if (Array.isArray(document['blobs'])) return OCI_ARTIFACT;
  throw new ManifestInvalidError(`"${own ?? sentAs}" is no manifest media type, and the document is no manifest`);
}

/** An error document, or `{}`, must not pass for an image because it was sent as one. */
function requireShape(document: Record<string, unknown>, mediaType: string): void {
  if (isIndexType(mediaType)) {
    if (!Array.isArray(document['manifests'])) throw new ManifestInvalidError('the index has no list of manifests');
  } else if (isImageType(mediaType) && !isObject(document['config'])) {
    throw new ManifestInvalidError('the image manifest has no config');
  }
}

function referencesOf(document: Record<string, unknown>): ManifestReference[] {
  const references: ManifestReference[] = [];
  const add = (role: ManifestReference['role'], value: unknown, where: string) => {
    if (value !== undefined && value !== null) references.push(descriptor(role, value, where));
  };
  add('config', document['config'], 'config');
  for (const [key, role] of [
    ['layers', 'layer'],
    ['blobs', 'layer'],
    ['manifests', 'manifest'],
  ] as const) {
    const list = document[key] ?? [];
    if (!Array.isArray(list)) throw new ManifestInvalidError(`${key} is not a list`);
    list.forEach((entry, position) => add(role, entry, `${key}[${position}]`));
  }
  add('subject', document['subject'], 'subject');
  return references;
}

function descriptor(role: ManifestReference['role'], value: unknown, where: string): ManifestReference {
  if (!isObject(value)) throw new ManifestInvalidError(`${where} is not a descriptor`);
  const digest = parseDigest(textOf(value['digest']) ?? '');
  if (!digest) throw new ManifestInvalidError(`${where}.digest is not a sha256 or sha512 digest`);
  const sizeBytes = value['size'];
  if (typeof sizeBytes !== 'number' || !Number.isSafeInteger(sizeBytes) || sizeBytes < 0) {
    throw new ManifestInvalidError(`${where}.size is not a size in bytes`);
  }
  const platform = platformOf(value['platform']);
  const mediaType = textOf(value['mediaType']) ?? '';
  return { role: roleAs(role, mediaType), digest, sizeBytes, mediaType, ...(platform && { platform }) };
}

/** What an index lists and that is no manifest is a blob: BuildKit keeps its cache so, if it is not told otherwise. */
function roleAs(role: ManifestReference['role'], mediaType: string): ManifestReference['role'] {
  return role === 'manifest' && mediaType !== '' && !isManifestType(mediaType) ? 'layer' : role;
}

function platformOf(value: unknown): Platform | undefined {
  if (!isObject(value)) return undefined;
  const [os, architecture] = [textOf(value['os']), textOf(value['architecture'])];
  return os && architecture ? { os, architecture, variant: textOf(value['variant']) } : undefined;
}

function annotationsOf(value: unknown): Record<string, string> | undefined {
  if (!isObject(value)) return undefined;
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
