import { createPeer } from '../../../src/upstream/create-peer.ts';
import type { Peer } from '../../../src/upstream/peer.ts';
import { Secret } from '../../../src/util/secret.ts';
import { PASSWORD, startHosted, type TestHosted } from '../../support/hosted.ts';
import { type CopyStage, openStage } from './copy-stage.ts';
import { openSite, type TestSite, type TestSiteOptions } from './test-site.ts';

export interface TwoSites extends AsyncDisposable {
  readonly here: TestSite;
  readonly there: TestHosted;
  readonly peer: Peer;
  readonly stage: CopyStage;
}

/** A site, and another one behind its doors that it may send to. */
export async function openTwoSites(options: TestSiteOptions = {}): Promise<TwoSites> {
  await using opened = new AsyncDisposableStack();
  const here = opened.use(await openSite(options));
  const policy = [
    { who: 'peer', may: ['pull', 'replicate'], in: ['**'] },
    { who: 'anonymous', may: ['pull'], in: ['**'] },
  ];
  const access = { htpasswd: './htpasswd', policy };
  const { origin } = options;
  const there = opened.use(
    await startHosted({ ...(origin && { origin }), config: { site: 'us-east', access, hostedRules: [] } }),
  );
  const peer = opened.use(connect({ here, there }));
  const stage = openStage(here, peer);
  const cleanup = opened.move();
  return { here, there, peer, stage, [Symbol.asyncDispose]: () => cleanup.disposeAsync() };
}

/** What sends from one to the other. */
export function connect({ here, there }: Pick<TwoSites, 'here' | 'there'>): Peer {
  return createPeer(
    {
      name: 'us-east',
      url: new URL(there.registryUrl),
      credentials: { type: 'basic', username: 'peer', password: new Secret(PASSWORD) },
      allowHosts: [],
      timeouts: { connectMs: 10_000, headersMs: 30_000, stallMs: 30_000 },
      retries: 0,
      manifestLimitBytes: 4 * 1024 * 1024,
      userAgent: 'test',
    },
    here.telemetry,
  );
}

/** What the other one answers to everybody. */
export async function statusOf({ there }: TwoSites, path: string): Promise<number> {
  const response = await fetch(`${there.url}/v2/${path}`);
  await response.bytes();
  return response.status;
}
