import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { seededBytes } from '../support/bytes.ts';
import { startEntrepot } from '../support/entrepot.ts';
import { buildImage } from '../support/images.ts';
import { startOrigin } from '../support/origin.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { ask } from '../faults/support/ask.ts';
import { expectCached, expectContent } from '../faults/support/expectations.ts';

const SIZE = 24 * 1024 * 1024;
/** Of each of two mirrors, which live at the same time. */
const ROUNDS = 10;

test.concurrent.each(['first', 'second'])(
  'kill -9 ten times during a fill, of the %s mirror: nothing wrong is served, nothing is lost, and the fill resumes',
  {
    timeout: 60_000,
  },
  async (which) => {
    await using origin = await startOrigin();
    await using data = await temporaryDirectory();
    const bytes = seededBytes(SIZE, which);
    const blob = origin.addBlob(bytes);
    const image = buildImage(origin, 'library/app', 'v1');
    const config = {
      storage: { path: data.path },
      upstreams: { 'docker.io': { url: origin.url, default: true } },
      pull: { readAhead: false },
    };
    // Each connection of a fill is slow, so that its lives are not enough for all of it.
    origin.fault({ path: blob }, { kind: 'slow', bytesPerSecond: 1024 * 1024 });
    let reached = 0;
    for (let round = 0; round < ROUNDS; round++) {
      await using entrepot = await startEntrepot({ config });
      const manifest = await ask(entrepot, '/v2/library/app/manifests/v1');
      if (round === 0) expectContent(manifest, image.digest);
      else expectCached(manifest, image.digest);
      const partial = ask(entrepot, `/v2/library/app/blobs/${blob}`);
      const settled = partial.catch(() => undefined);
      // Different moments, the same each time.
      await sleep(round % 5 === 4 ? 40 : 270 + ((round * 53) % 190));
      await entrepot.kill();
      const answer = await settled;
      if (answer === undefined) continue;
      expect(answer.status).toBe(200);
      expect(answer.whole, `not so soon, in round ${round}`).toBe(false);
      expect(answer.body.equals(bytes.subarray(0, answer.body.length)), `right bytes in round ${round}`).toBe(true);
      reached = Math.max(reached, answer.body.length);
    }
    expect(reached, 'later lives go on where earlier ones ended').toBeGreaterThan(640 * 1024);
    expect(origin.requestCount({ path: blob, range: true })).toBeGreaterThan(0);

    origin.clearFaults();
    await using last = await startEntrepot({ config });
    expectContent(await ask(last, `/v2/library/app/blobs/${blob}`), blob);
    // What came after the last ledger is fetched again: up to 250 ms of each life. Without resuming it would be 1.65.
    expect(origin.blobBytesSent(blob)).toBeLessThan(SIZE * 1.4);
    await origin.stop();
    expectCached(await ask(last, `/v2/library/app/blobs/${blob}`), blob);
    expectCached(await ask(last, `/v2/library/app/manifests/${image.digest}`), image.digest);
  },
);
