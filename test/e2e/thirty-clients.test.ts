import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { seededBytes } from '../support/bytes.ts';
import { type Download, download } from '../support/download.ts';
import { startEntrepot } from '../support/entrepot.ts';
import { startOrigin } from '../support/origin.ts';

const MIB = 1024 * 1024;

describe('a fill', () => {
  test.each([
    { pace: 'as fast as it goes', bytesPerSecond: undefined },
    { pace: 'at 24 MiB/s a connection', bytesPerSecond: 24 * MIB },
  ])('30 clients on a cold blob of 64 MiB cost the upstream one download, $pace', async ({ pace, bytesPerSecond }) => {
    await using origin = await startOrigin();
    const content = seededBytes(64 * MIB, 'thirty clients');
    const digest = origin.addBlob(content);
    if (bytesPerSecond) origin.fault({ path: '/blobs/' }, { kind: 'slow', bytesPerSecond });
    await using mirror = await startEntrepot({ config: { upstreams: { 'docker.io': { url: origin.url } } } });
    const url = `${mirror.url}/v2/library/app/blobs/${digest}`;

    const clients: Promise<Download>[] = [];
    for (let client = 0; client < 30; client += 1) {
      // The last ten come late, when parts are there already.
      if (client >= 20) await delay(20);
      const offset = client % 3 === 0 ? 0 : (client * 7_654_321) % content.length;
      clients.push(
        download(url, {
          expected: content.subarray(offset),
          ...(offset > 0 ? { range: `bytes=${offset}-` } : {}),
          ...(client % 5 === 3 ? { leaveAfterBytes: client * 100_000 } : {}),
        }),
      );
    }
    const answers = await Promise.all(clients);

    for (const [client, answer] of answers.entries()) {
      expect(answer.differsAt).toBe(undefined);
      expect(answer.isComplete || client % 5 === 3).toBe(true);
    }
    const ratio = origin.blobBytesSent(digest) / content.length;
    const slowestMs = Math.max(...answers.map((answer) => answer.firstByteMs));
    console.log(
      `${pace}: upstream bytes / unique bytes ${ratio.toFixed(4)}, slowest first byte ${Math.round(slowestMs)} ms`,
    );
    expect(ratio).toBeLessThanOrEqual(1.02);
    expect(slowestMs).toBeLessThan(1000);
  });
});
