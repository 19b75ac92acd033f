import { expect, test } from 'vitest';
import { seededBytes } from '../support/bytes.ts';
import { download } from '../support/download.ts';
import { startMirror } from '../support/mirror.ts';
import { startOrigin } from '../support/origin.ts';

test('an interrupted download whose length was told wrong begins anew', async () => {
  await using origin = await startOrigin();
  const content = seededBytes(300_000, 'changed length');
  const digest = origin.addBlob(content);
  await using mirror = await startMirror(origin, { upstream: { retries: 0, timeouts: { stall: '200ms' } } });
  const url = `${mirror.url}/v2/library/app/blobs/${digest}`;
  origin.fault({ path: digest }, { kind: 'wrongLength', length: 400_000 }, { times: 1 });
  origin.fault({ path: digest }, { kind: 'reset' });
  expect((await download(url)).isComplete).toBe(false);
  origin.clearFaults();

  let last = await download(url, { expected: content });
  for (let tries = 0; !last.isComplete && tries < 3; tries += 1) last = await download(url, { expected: content });
  expect(last).toMatchObject({ status: 200, isComplete: true, differsAt: undefined });
});
