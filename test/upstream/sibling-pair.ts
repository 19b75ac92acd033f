import { Metrics } from '../../src/telemetry/metrics.ts';
import { silentLogger } from '../../src/telemetry/logger.ts';
import { Telemetry } from '../../src/telemetry/telemetry.ts';
import { createSibling, type CreateSiblingOptions } from '../../src/upstream/create-sibling.ts';
import { SiblingFirst } from '../../src/upstream/sibling-first.ts';
import { SiblingSource } from '../../src/upstream/sibling-source.ts';
import type { Sibling } from '../../src/upstream/sibling.ts';
import { Siblings } from '../../src/upstream/siblings.ts';
import type { Upstream } from '../../src/upstream/upstream.ts';
import { seededBytes } from '../support/bytes.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import type { OriginOptions } from '../support/origin-options.ts';
import { connect, digest as digestOf } from './connect.ts';

/** A manifest and its media type. */
export const INDEX = 'application/vnd.oci.image.index.v1+json';
/** The repository at the upstream, and what the sibling calls it. */
export const [PATH, NAME] = ['a/b', 'origin.test/a/b'];

/** An upstream with one sibling. */
export interface Pair extends AsyncDisposable {
  readonly origin: Origin;
  readonly near: Origin;
  /** The upstream, with the sibling beside it. */
  readonly upstream: Upstream;
  readonly source: SiblingSource;
  readonly metrics: Metrics;
  /** Of the memory of what the sibling did, and of the breakers; in ms. */
  readonly clock: { now: number };
}

/** Starts both; neither has anything yet. @param from what the sibling is like */
export async function startPair(from: OriginOptions = {}): Promise<Pair> {
  await using opened = new AsyncDisposableStack();
  const [origin, near] = [opened.use(await startOrigin()), opened.use(await startOrigin(from))];
  const metrics = new Metrics('test');
  const telemetry = new Telemetry(silentLogger(), metrics);
  const clock = { now: 1_000 };
  const now = () => clock.now;
  const siblings = new Siblings([connectSibling(near.url, opened, { telemetry, now })]);
  const upstream = opened.use(new SiblingFirst(connect(origin.url, { retries: 0 }, { telemetry, now }), siblings));
  const cleanup = opened.move();
  return {
    origin,
    near,
    upstream,
    source: new SiblingSource('origin.test', siblings),
    metrics,
    clock,
    [Symbol.asyncDispose]: () => cleanup.disposeAsync(),
  };
}

/** A sibling at `url` that is waited for at most 300 ms. */
export function connectSibling(
  url: string,
  opened: AsyncDisposableStack,
  { telemetry, now, ...options }: { telemetry: Telemetry; now: () => number } & Partial<CreateSiblingOptions>,
): Sibling {
  const { sibling, client } = createSibling(
    {
      name: 'near',
      site: 'near-site',
      url: new URL(url),
      credentials: [],
      maxConnections: 8,
      allowHosts: [],
      timeouts: { connectMs: 300, headersMs: 300, stallMs: 300 },
      manifestLimitBytes: 4 * 1024 * 1024,
      userAgent: 'entrepot-test/1.0',
      ...options,
    },
    telemetry,
    { now },
  );
  opened.use(client);
  return sibling;
}

/** Adds one manifest of that content to both, or to those that are given. @returns its digest */
export function addManifest(
  { origin, near }: Pair,
  content: string,
  to: readonly ('origin' | 'near')[] = ['origin', 'near'],
) {
  const manifest = { schemaVersion: 2, mediaType: INDEX, manifests: [], annotations: { content } };
  if (to.includes('origin')) origin.addManifest(PATH, undefined, manifest, INDEX);
  if (to.includes('near')) near.addManifest(NAME, undefined, manifest, INDEX);
  const bytes = Buffer.from(JSON.stringify(manifest));
  return digestOf((to.includes('near') ? near : origin).addManifest('other', undefined, bytes, INDEX));
}

/** Adds a blob to both. */
export function addBlob({ origin, near }: Pair, size: number) {
  const bytes = seededBytes(size, 'blob');
  near.addBlob(bytes);
  return { bytes, digest: digestOf(origin.addBlob(bytes)) };
}
