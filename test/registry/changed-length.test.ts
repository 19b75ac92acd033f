import { expect, test } from 'vitest';
import { seededBytes } from '../support/bytes.ts';
import { download } from '../support/download.ts';
import { startMirror } from '../support/mirror.ts';
import { startOrigin } from '../support/origin.ts';

test('an interrupted download whose length was told wrong begins anew', async () => {
  await using origin = await startOrigin();
  const content = seededBytes(300_000, 'changed length');
  const digest = origin.addBlob(content);
  await using mirror = await startMirror(origin);
  const path = `/v2/library/app/blobs/${digest}`;
  origin.fault(
    { path: digest },
    {
      kind: 'handler',
      handle: (_, response) => {
        response.writeHead(200, { 'Content-Length': 400_000 });
        response.write(content.subarray(0, 100_000), () => response.destroy());
      },
    },
    { times: 1 },
  );
  origin.fault({ path: digest }, { kind: 'reset' });
  const interrupted = download(mirror.url + path);
  await origin.waitForRequests({ path: digest }, 2);
  await mirror.restart();
  expect(await interrupted).toMatchObject({ status: 200, isComplete: false });
  origin.clearFaults();

  let last = await download(mirror.url + path, { expected: content });
  for (let tries = 0; last.status !== 200 && tries < 3; tries += 1) {
    last = await download(mirror.url + path, { expected: content });
  }
  expect(last).toMatchObject({ status: 200, isComplete: true, differsAt: undefined });
});
