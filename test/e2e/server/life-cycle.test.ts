import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { seededBytes } from '../../support/bytes.ts';
import { download } from '../../support/download.ts';
import { startEntrepot } from '../../support/entrepot.ts';
import { buildImage } from '../../support/images.ts';
import { startOrigin } from '../../support/origin.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const MIB = 1024 * 1024;
const PASSWORD = 'n0t-for-the-log';

describe('the program', () => {
  test('lets a running download end after SIGTERM, takes no new connection, and keeps what it fetched', async () => {
    await using origin = await startOrigin();
    await using data = await temporaryDirectory();
    const content = seededBytes(2 * MIB, 'drain');
    const digest = origin.addBlob(content);
    origin.fault({ path: digest }, { kind: 'slow', bytesPerSecond: 2 * MIB });
    const config = {
      storage: { path: data.path },
      upstreams: { 'docker.io': { url: origin.url } },
    };
    await using entrepot = await startEntrepot({ config });
    const url = `${entrepot.url}/v2/library/app/blobs/${digest}`;
    const running = download(url, { expected: content });
    await origin.waitForRequests({ path: digest });
    await delay(100);

    const stopped = entrepot.stop();
    await delay(100);
    await expect(fetch(`${entrepot.url}/readyz`)).rejects.toThrow('fetch failed');
    expect(await running).toMatchObject({ status: 200, isComplete: true, differsAt: undefined });
    expect(await stopped).toEqual({ code: 0, signal: null });

    await origin.stop();
    await using again = await startEntrepot({ config });
    const second = await download(`${again.url}/v2/library/app/blobs/${digest}`, { expected: content });
    expect(second.isComplete || second.status >= 500).toBe(true);
  });

  test('ends at once at the second signal, although a download runs', async () => {
    await using origin = await startOrigin();
    const digest = origin.addBlob(seededBytes(2 * MIB, 'second signal'));
    origin.fault({ path: digest }, { kind: 'stall', afterBytes: MIB });
    await using entrepot = await startEntrepot({ config: { upstreams: { 'docker.io': { url: origin.url } } } });
    const running = download(`${entrepot.url}/v2/library/app/blobs/${digest}`);
    await origin.waitForRequests({ path: digest });
    await delay(200);
    process.kill(entrepot.pid, 'SIGTERM');
    await delay(200);
    process.kill(entrepot.pid, 'SIGTERM');
    expect(await entrepot.exited).toEqual({ code: 143, signal: null });
    expect((await running).isComplete).toBe(false);
  });

  test('is live and ready while its upstream is away, and counts what it does', async () => {
    await using origin = await startOrigin();
    const image = buildImage(origin, 'library/app', 'v1', { layers: [5000] });
    await using entrepot = await startEntrepot({ config: { upstreams: { 'docker.io': { url: origin.url } } } });
    await fetch(`${entrepot.url}/v2/library/app/manifests/v1`);
    for (const layer of [...image.layers, ...image.layers]) {
      await (await fetch(`${entrepot.url}/v2/library/app/blobs/${layer}`)).bytes();
    }
    await origin.stop();
    for (const url of [entrepot.url, entrepot.adminUrl]) {
      for (const path of ['/livez', '/readyz']) expect((await fetch(url + path)).status, path).toBe(200);
    }
    const read = async () => (await fetch(`${entrepot.adminUrl}/metrics`)).text();
    // What was served is being stored.
    await expect.poll(read, { timeout: 10_000 }).toMatch(/^entrepot_fills_running\{.*\} 0$/m);
    const metrics = await read();
    for (const line of [
      /^entrepot_requests_total\{route="manifest",status="200",outcome="miss",site=".*"\} 1$/m,
      /^entrepot_client_bytes_total\{upstream="docker\.io",.*\} \d{5}$/m,
      /^entrepot_upstream_bytes_total\{upstream="docker\.io",.*\} \d+$/m,
      /^entrepot_lookups_total\{kind="blob",result="hit",.*\} [12]$/m,
      /^entrepot_upstream_requests_total\{upstream="docker\.io",kind="blob",status="200",.*\} \d$/m,
      /^entrepot_fill_seconds_count\{.*\} 2$/m,
      /^entrepot_disk_bytes\{what="blobs",.*\} \d+$/m,
      /^nodejs_eventloop_lag_seconds\{.*\} /m,
    ]) {
      expect(metrics).toMatch(line);
    }
  });

  test('logs each request with its outcome, and no secret', async () => {
    await using origin = await startOrigin({
      auth: { type: 'bearer', credentials: { alice: PASSWORD }, anonymous: false },
    });
    buildImage(origin, 'library/app', 'v1');
    await using entrepot = await startEntrepot({
      config: {
        log: { level: 'trace' },
        upstreams: { 'docker.io': { url: origin.url, credentials: { username: 'alice', password: PASSWORD } } },
      },
    });
    const answer = await fetch(`${entrepot.url}/v2/library/app/manifests/v1`);
    expect(answer.status).toBe(200);
    await entrepot.stop();
    expect(entrepot.logs).toContainEqual(
      expect.objectContaining({
        msg: 'request',
        requestId: answer.headers.get('x-request-id'),
        upstream: 'docker.io',
        repository: 'docker.io/library/app',
        outcome: 'miss',
        status: 200,
      }),
    );
    expect(entrepot.output).not.toContain(PASSWORD);
    expect(entrepot.output).not.toContain(Buffer.from(`alice:${PASSWORD}`).toString('base64'));
    for (const { headers } of origin.requests) {
      const token = headers.authorization?.split(' ')[1];
      if (token) expect(entrepot.output).not.toContain(token);
    }
  });
});

describe('a data directory', () => {
  test('of a running process is refused to a second one, which says so', async () => {
    await using data = await temporaryDirectory();
    const config = { storage: { path: data.path } };
    await using first = await startEntrepot({ config });
    await expect(startEntrepot({ config })).rejects.toThrow(/in use by another process.*INDEX_IN_USE/s);
    expect((await fetch(`${first.url}/livez`)).status).toBe(200);
  });

  test.each([
    {
      name: 'that a file stands in the way of',
      spoil: async (path: string) => writeFile(join(path, 'blobs'), ''),
      says: /cannot prepare .*STORE_FAILED/s,
    },
    {
      name: 'with a damaged index',
      spoil: async (path: string) => writeFile(join(path, 'index.sqlite'), 'no database'.repeat(1000)),
      says: /damaged.*INDEX_CORRUPT/s,
    },
  ])('$name stops the start with a sentence', async ({ spoil, says }) => {
    await using data = await temporaryDirectory();
    await spoil(data.path);
    await expect(startEntrepot({ config: { storage: { path: data.path } } })).rejects.toThrow(says);
  });

  test('on a read-only file system stops the start with a sentence', async () => {
    const run = promisify(execFile);
    await using data = await temporaryDirectory();
    const path = join(data.path, 'mounted');
    await mkdir(path);
    await run('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', path]);
    try {
      await expect(startEntrepot({ config: { storage: { path } } })).rejects.toThrow(
        /must be writable.*STORE_READ_ONLY/s,
      );
    } finally {
      await run('umount', [path]);
    }
  });
});
