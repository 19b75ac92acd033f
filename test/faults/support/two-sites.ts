import { startMirror, type TestMirror } from '../../support/mirror.ts';
import { type Origin, startOrigin } from '../../support/origin.ts';
import type { OriginOptions } from '../../support/origin-options.ts';
import { freePort } from '../../support/process.ts';

/** Two mirrors of one upstream. */
export interface TwoSites extends AsyncDisposable {
  readonly origin: Origin;
  readonly near: TestMirror;
  /** Asks the near one first. */
  readonly far: TestMirror;
}

export interface SitesOptions {
  readonly from?: OriginOptions;
  /** Keys of the far site's upstream. */
  readonly upstream?: Readonly<Record<string, unknown>>;
  /** The near site asks the far one first, too. */
  readonly isMutual?: boolean;
}

/** Gives up soon and fetches nothing that it was not asked for. */
const IMPATIENT = {
  freshFor: '0s',
  retries: 1,
  timeouts: { connect: '1s', headers: '700ms', stall: '500ms' },
} as const;
const QUIET = { pull: { readAhead: false, notFoundFor: '0s', hotManifests: 0 } } as const;

export async function startTwoSites({ from, upstream, isMutual = false }: SitesOptions = {}): Promise<TwoSites> {
  await using opened = new AsyncDisposableStack();
  const origin = opened.use(await startOrigin(from));
  const listen = `127.0.0.1:${await freePort()}`;
  const near = opened.use(
    await startMirror(origin, {
      upstream: { ...IMPATIENT, ...(isMutual && { siblings: ['far'] }) },
      config: { ...QUIET, site: 'near', ...(isMutual && { peers: { far: { url: `http://${listen}` } } }) },
    }),
  );
  const far = opened.use(await startFar(origin, near, { upstream, listen }));
  const cleanup = opened.move();
  return { origin, near, far, [Symbol.asyncDispose]: () => cleanup.disposeAsync() };
}

/** A site whose sibling is at that URL: another site, or something that only looks like one. */
export function startFar(
  origin: Origin,
  near: { readonly url: string },
  { upstream = {}, listen = '127.0.0.1:0' }: { upstream?: SitesOptions['upstream'] | undefined; listen?: string } = {},
): Promise<TestMirror> {
  return startMirror(origin, {
    upstream: { ...IMPATIENT, siblings: ['near'], ...upstream },
    config: {
      ...QUIET,
      site: 'far',
      server: { listen, drainTimeout: '2s' },
      peers: { near: { url: near.url, timeouts: { connect: '500ms', headers: '500ms', stall: '500ms' } } },
    },
  });
}
