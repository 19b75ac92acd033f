import { readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DiskStore } from '../../../src/content/disk/disk-store.ts';
import type { Cause, Origin } from '../../../src/metadata/event-index.ts';
import { SqliteIndex } from '../../../src/metadata/sqlite/sqlite-index.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import { parseManifest } from '../../../src/oci/manifest.ts';
import { Registry } from '../../../src/registry/registry.ts';
import type { HostedRuleOptions } from '../../../src/registry/pushing/hosted-rules.ts';
import { UpstreamRules } from '../../../src/registry/rules.ts';
import { Upstreams, UpstreamSite } from '../../../src/registry/upstreams.ts';
import { silentLogger } from '../../../src/telemetry/logger.ts';
import { Metrics } from '../../../src/telemetry/metrics.ts';
import { Telemetry } from '../../../src/telemetry/telemetry.ts';
import { createUpstream } from '../../../src/upstream/create-upstream.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { storedFile } from '../../registry/pushing/support/stored-file.ts';
import type { Draft, DraftManifest } from './draft.ts';

/** A site without its doors: its store, its index and its registry. */
export interface TestSite extends AsyncDisposable {
  readonly path: string;
  readonly name: string;
  readonly store: DiskStore;
  readonly index: SqliteIndex;
  readonly registry: Registry;
  readonly telemetry: Telemetry;
  /** Pushes what was drafted. @param options.without digests that are left out */
  push(repository: string, draft: Draft, options?: { without?: readonly string[] }): Promise<void>;
  /** A manifest that arrives by replication. */
  pushFrom(origin: Origin, repository: string, manifest: DraftManifest): Promise<void>;
  /** Changes a byte of stored content, and leaves its file's size and time as they were. */
  damage(digest: Digest): Promise<void>;
}

export interface TestSiteOptions {
  readonly name?: string;
  /** What `docker.io` is. */
  readonly origin?: { readonly url: string };
  readonly hostedRules?: readonly HostedRuleOptions[];
}

const FRESH = {
  freshForMs: 60_000,
  staleWhileRevalidateMs: 0,
  staleIfErrorMs: Infinity,
  immutable: [],
  onUpstreamDelete: 'keep',
  allow: [],
  deny: [],
  rules: [],
} as const;

/** `local` and `sparse` are hosted. */
export async function openSite({ name = 'here', origin, hostedRules = [] }: TestSiteOptions = {}): Promise<TestSite> {
  await using opened = new AsyncDisposableStack();
  const { path } = opened.use(await temporaryDirectory());
  const telemetry = new Telemetry(silentLogger(), new Metrics(name));
  const store = opened.use(await DiskStore.open(path));
  const index = opened.use(
    new SqliteIndex(join(path, 'index.sqlite'), {
      site: name,
      onFlushError: (error) => {
        throw error;
      },
    }),
  );
  const hosted = ['local', 'sparse'];
  const sites = origin ? [new UpstreamSite(upstreamAt(origin, telemetry), new UpstreamRules(FRESH), false)] : [];
  const registry = opened.use(
    new Registry({
      store,
      index,
      upstreams: new Upstreams(sites, origin && 'docker.io', hosted),
      telemetry,
      events: { status: async () => [] },
      site: name,
      version: '0',
      limits: { quotaBytes: undefined, minFreeBytes: 0, lowWatermark: 0.9, registryQuotas: new Map() },
      pins: [],
      hosted,
      hostedRules,
      retentionSchedule: '30 3 * * *',
      uploads: { expireMs: Infinity },
      manifestLimitBytes: 4 * 1024 * 1024,
      scrub: { everyMs: Infinity, bytesPerSecond: Infinity },
      warm: [],
      readAhead: false,
      notFoundForMs: 0,
      hotManifestBytes: 1024 * 1024,
      fillConnections: 1,
      maxExtraConnections: 1,
    }),
  );
  await registry.prepare();
  const cleanup = opened.move();
  return {
    path,
    name,
    store,
    index,
    registry,
    telemetry,
    push: (repository, draft, { without = [] } = {}) => push({ store, index }, repository, draft, new Set(without)),
    pushFrom: (cause, repository, manifest) =>
      pushManifest({ store, index }, repository, manifest, { actor: 'peer', origin: cause }),
    damage: async (digest) => {
      const file = storedFile({ path }, digest);
      const { atime, mtime } = await stat(file);
      const bytes = await readFile(file);
      bytes[0] = (bytes[0] ?? 0) ^ 1;
      await writeFile(file, bytes);
      await utimes(file, atime, mtime);
    },
    [Symbol.asyncDispose]: () => cleanup.disposeAsync(),
  };
}

function upstreamAt(origin: { readonly url: string }, telemetry: Telemetry) {
  const options = {
    name: 'docker.io',
    url: new URL(origin.url),
    credentials: [],
    rateReserve: 0,
    maxConnections: 8,
    allowHosts: [],
    timeouts: { connectMs: 5000, headersMs: 5000, stallMs: 5000 },
    retries: 0,
    manifestLimitBytes: 4 * 1024 * 1024,
    userAgent: 'test',
  };
  return createUpstream(options, telemetry);
}

async function push(
  { store, index }: Pick<TestSite, 'store' | 'index'>,
  repository: string,
  draft: Draft,
  without: ReadonlySet<string>,
): Promise<void> {
  const atMs = Date.now();
  const cause = { actor: 'ci' };
  for (const [digest, bytes] of draft.blobs) {
    if (without.has(digest)) continue;
    await store.put(digest, bytes);
    await index.pushBlob({ repository, digest, sizeBytes: bytes.length, atMs }, cause);
  }
  for (const manifest of draft.manifests) {
    if (!without.has(manifest.digest)) await pushManifest({ store, index }, repository, manifest, cause);
  }
}

async function pushManifest(
  { store, index }: Pick<TestSite, 'store' | 'index'>,
  repository: string,
  { digest, bytes, mediaType, tag }: DraftManifest,
  cause: Cause,
): Promise<void> {
  const { artifactType, references } = parseManifest(bytes, mediaType);
  await store.put(digest, bytes);
  const tags = tag === undefined ? [] : [tag];
  const atMs = Date.now();
  const record = { repository, digest, mediaType, artifactType, references, sizeBytes: bytes.length, tags, atMs };
  await index.pushManifest(record, [], cause);
}
