import { type MirrorOptions, startMirror, type TestMirror } from '../../support/mirror.ts';
import { type Origin, startOrigin } from '../../support/origin.ts';
import type { OriginOptions } from '../../support/origin-options.ts';

/** An upstream and the mirror before it. */
export interface Stage extends AsyncDisposable {
  readonly origin: Origin;
  readonly mirror: TestMirror;
  /** A repository that was never used. */
  readonly name: string;
  /** Where the mirror has that repository. */
  readonly path: string;
  /** For content that was never used; the following hundred are this test's too. */
  readonly seed: number;
}

/** What the two are like. */
export interface StageOptions extends MirrorOptions {
  readonly from?: OriginOptions;
}

/**
 * Starts both: the mirror gives up soon, tries once more, asks upstream about every tag each time, and fetches nothing
 * that it wasn't asked for.
 */
export async function setStage({ from, upstream, config }: StageOptions = {}): Promise<Stage> {
  await using opened = new AsyncDisposableStack();
  const origin = opened.use(await startOrigin(from));
  const mirror = opened.use(
    await startMirror(origin, {
      upstream: {
        freshFor: '0s',
        retries: 1,
        timeouts: { connect: '1s', headers: '700ms', stall: '500ms' },
        ...upstream,
      },
      config: { pull: { readAhead: false, notFoundFor: '0s' }, ...config },
    }),
  );
  const cleanup = opened.move();
  const [name, seed] = ['library/app', 1];
  return { origin, mirror, name, path: `/v2/${name}`, seed, [Symbol.asyncDispose]: async () => cleanup.disposeAsync() };
}
