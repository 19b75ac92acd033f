import { blobAnswer } from './origin-blobs.ts';
import type { OriginContent } from './origin-content.ts';
import { type Answer, type Exchange, errorAnswer, jsonAnswer } from './origin-exchange.ts';
import { manifestAnswer, referrersAnswer, tagsAnswer } from './origin-manifests.ts';
import type { OriginOptions } from './origin-options.ts';
import type { OriginStorage } from './origin-storage.ts';

/** What a path under /v2/ names. */
export interface RegistryPath {
  kind: 'root' | 'manifests' | 'blobs' | 'tags' | 'referrers';
  repository?: string;
  /** A tag or digest; empty for `root` and `tags`. */
  reference: string;
}

/** What answers come from. */
export interface RegistrySources {
  content: OriginContent;
  storage: OriginStorage;
  options: OriginOptions;
  /** The registry's own URL, and the storage server's. */
  urls: { registry: string; storage: string };
}

/** Reads the path of a pull; `undefined` if it is none. */
export function parsePath({ method, path }: { method: string; path: string }): RegistryPath | undefined {
  if (method !== 'GET' && method !== 'HEAD') return undefined;
  if (path === '/v2/' || path === '/v2') return { kind: 'root', reference: '' };
  const [, repository, kind, reference] = /^\/v2\/(.+)\/(manifests|blobs|tags|referrers)\/([^/]+)$/.exec(path) ?? [];
  if (repository === undefined || reference === undefined) return undefined;
  if (kind === 'tags') return reference === 'list' ? { kind, repository, reference: '' } : undefined;
  return { kind: kind as 'manifests' | 'blobs' | 'referrers', repository, reference };
}

/** Answers a pull of someone who was let in. */
export function registryAnswer(exchange: Exchange, path: RegistryPath, sources: RegistrySources): Answer {
  const { content, options, urls } = sources;
  const { repository = '', reference } = path;
  switch (path.kind) {
    case 'root':
      return jsonAnswer({}, { 'Docker-Distribution-Api-Version': 'registry/2.0' });
    case 'manifests':
      return manifestAnswer(exchange, content, options, { repository, reference });
    case 'blobs':
      return pullBlob(exchange, path, sources);
    case 'tags':
      return tagsAnswer(exchange, content, options, { repository, url: urls.registry });
    case 'referrers':
      if (options.referrers !== true) return { status: 404, headers: { 'Content-Type': 'text/plain' }, body: 'no\n' };
      return referrersAnswer(exchange, content, { repository, digest: reference });
    default:
      return path.kind satisfies never;
  }
}

function pullBlob(exchange: Exchange, { repository, reference }: RegistryPath, sources: RegistrySources): Answer {
  const { content, options, storage, urls } = sources;
  const { method } = exchange.record;
  if (method === 'HEAD' && options.headBlobs === false) return errorAnswer(405, 'UNSUPPORTED');
  const bytes = content.blob(reference, repository);
  if (bytes === undefined) return errorAnswer(404, 'BLOB_UNKNOWN');
  const redirect = options.redirectBlobs;
  if (redirect !== undefined && (method === 'GET' || redirect.head === true)) {
    return storage.redirect(reference, urls.storage, redirect);
  }
  return blobAnswer(exchange, bytes, reference, options);
}
