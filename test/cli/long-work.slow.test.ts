import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Operations, WarmReport, WorkOptions } from '../../src/registry/operations/operations.ts';
import { startAdmin } from '../support/admin.ts';
import { seededBytes } from '../support/bytes.ts';
import { DIGEST } from '../support/fake-operations.ts';
import { Listener } from '../support/listener.ts';
import { entrepot, folderOf, outcomeOf, startEntrepot } from './command.ts';

const REPORT: WarmReport = {
  images: 2,
  imagesDone: 2,
  blobs: 4,
  blobsDone: 4,
  bytes: 1024 ** 3,
  bytesDone: 1024 ** 3,
  fetchedBytes: 1024 ** 2,
  failures: [{ image: 'b', error: 'docker.io: no\u001b[2J such manifest' }],
};

describe('warm', () => {
  test('fetches what is named, and says how much that was', async () => {
    await using admin = await startAdmin();
    const env = { ENTREPOT_ADMIN: admin.url };
    const args = ['warm', 'a', 'b:1*', '--platform', 'linux/amd64', '--platform', 'linux/arm/v7', '--concurrency', '8'];
    expect(await entrepot(args, '/', env)).toEqual({
      exitCode: 0,
      stdout: 'warmed 2 images, 4 blobs, 1 GiB; 512 MiB fetched\n',
      stderr: '',
    });
    const json = await entrepot(['warm', 'a', '--json', '--platform', 'linux/amd64,linux/arm64'], '/', env);
    expect(json).toMatchObject({ exitCode: 0, stderr: '' });
    expect(JSON.parse(json.stdout)).toEqual({
      ...REPORT,
      images: 1,
      imagesDone: 1,
      fetchedBytes: 1024 ** 3 / 2,
      failures: [],
    });
    expect(admin.operations.calls).toEqual([
      ['warm', { images: ['a', 'b:1*'], platforms: ['linux/amd64', 'linux/arm/v7'], concurrency: 8 }],
      ['warm', { images: ['a'], platforms: ['linux/amd64', 'linux/arm64'] }],
    ]);
  });

  test('takes a list of any length', async () => {
    await using admin = await startAdmin();
    const images = Array.from(
      { length: 30_000 },
      (_, number) => `registry.example.com/a/team/with/an/image:v${number}`,
    );
    await using folder = await folderOf({ 'list.txt': images.join('\n') });
    const env = { ENTREPOT_ADMIN: admin.url };
    expect(await entrepot(['warm', '--file', 'list.txt'], folder.path, env)).toMatchObject({ exitCode: 0, stderr: '' });
    expect(admin.operations.calls).toEqual([['warm', { images, platforms: [] }]]);
  });

  test('takes a list from a file or from its input', async () => {
    await using admin = await startAdmin();
    const list = '# base images\nalpine\n\n  debian:12   # stable\r\nghcr.io/a/b#c\n#x\n';
    await using folder = await folderOf({ 'list.txt': list });
    const env = { ENTREPOT_ADMIN: admin.url };
    expect(await entrepot(['warm', '--file', 'list.txt'], folder.path, env)).toMatchObject({ exitCode: 0 });
    expect(await entrepot(['warm', 'first', '--file', '-'], '/', env, list)).toMatchObject({ exitCode: 0 });
    const images = ['alpine', 'debian:12', 'ghcr.io/a/b#c'];
    expect(admin.operations.calls).toEqual([
      ['warm', { images, platforms: [] }],
      ['warm', { images: ['first', ...images], platforms: [] }],
    ]);
  });

  test.each([
    [[], 'name an image, or a list of images with --file'],
    [['--file', 'empty.txt'], 'name an image, or a list of images with --file'],
    [['--file', 'missing.txt'], '--file missing.txt cannot be read: ENOENT'],
    [['a', '--concurrency', 'many'], '--concurrency many is not a number from 1 to 64'],
    [['a', '--concurrency', '65'], '"concurrency" must be a whole number from 1 to 64, not 65'],
    [['a', '--platform', 'amd64'], '"amd64" is not a platform; write for example linux/amd64'],
  ])('%j is wrong use', async (args, message) => {
    await using admin = await startAdmin();
    await using folder = await folderOf({ 'empty.txt': '# nothing\n' });
    const { exitCode, stdout, stderr } = await entrepot(['warm', ...args], folder.path, { ENTREPOT_ADMIN: admin.url });
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toContain(`entrepot: ${message}`);
  });

  test('ends with 1 when an image failed, and says which', async () => {
    await using admin = await startAdmin({ warm: () => Promise.resolve(REPORT) });
    const env = { ENTREPOT_ADMIN: admin.url };
    expect(await entrepot(['warm', 'a', 'b'], '/', env)).toEqual({
      exitCode: 1,
      stdout: 'b: docker.io: no [2J such manifest\nwarmed 2 images, 4 blobs, 1 GiB; 1 MiB fetched; 1 failed\n',
      stderr: '',
    });
    const json = await entrepot(['warm', 'a', 'b', '--json'], '/', env);
    expect(json.exitCode).toBe(1);
    expect(JSON.parse(json.stdout)).toEqual(REPORT);
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('is ended by %s with %i, here and at the mirror', async (name, exitCode) => {
    const started = Promise.withResolvers<AbortSignal>();
    await using admin = await startAdmin({
      warm: async (_, { signal }) => {
        started.resolve(signal);
        await once(signal, 'abort');
        throw signal.reason;
      },
    });
    const child = startEntrepot(['warm', 'a', '--json'], '/', { ENTREPOT_ADMIN: admin.url });
    const outcome = outcomeOf(child);
    const signal = await started.promise;
    child.kill(name);
    const stderr = 'entrepot: interrupted; warming again goes on where it stopped\n';
    expect(await outcome).toEqual({ exitCode, stdout: '', stderr });
    await expect.poll(() => signal.aborted, { timeout: 5000 }).toBe(true);
  });
});

describe('verify', () => {
  test.each<[string[], object]>([
    [['debian:12'], { image: 'debian:12' }],
    [['--repository', 'a'], { repository: 'a' }],
    [['--all', '--rate', '50MiB/s'], { bytesPerSecond: 50 * 1024 ** 2 }],
  ])('%j hashes again', async (args, request) => {
    await using admin = await startAdmin();
    expect(await entrepot(['verify', ...args], '/', { ENTREPOT_ADMIN: admin.url })).toEqual({
      exitCode: 0,
      stdout: `${DIGEST} was damaged, healed\nverified 4 blobs, 1 GiB: 1 damaged, 0 missing, 1 healed\n`,
      stderr: '',
    });
    expect(admin.operations.calls).toEqual([['verify', request]]);
  });

  test('ends with 1 when something could not be healed', async () => {
    const report = {
      blobs: 4,
      blobsDone: 4,
      bytes: 100,
      bytesDone: 100,
      damaged: ['sha256:a'],
      missing: ['sha256:b'],
      healed: ['sha256:a'],
    };
    await using admin = await startAdmin({ verify: () => Promise.resolve(report) });
    const env = { ENTREPOT_ADMIN: admin.url };
    expect(await entrepot(['verify', '--all'], '/', env)).toEqual({
      exitCode: 1,
      stdout: [
        'sha256:a was damaged, healed',
        'sha256:b was missing',
        'verified 4 blobs, 100 B: 1 damaged, 1 missing, 1 healed\n',
      ].join('\n'),
      stderr: '',
    });
    const json = await entrepot(['verify', '--all', '--json'], '/', env);
    expect([json.exitCode, JSON.parse(json.stdout)]).toEqual([1, report]);
  });

  test.each([
    [[]],
    [['a', '--all']],
    [['--all', '--repository', 'a']],
    [['--all', '--rate', '50MiB']],
    [['--all', '--rate', '0/s']],
  ])('%j is wrong use', async (args) => {
    const { exitCode, stderr } = await entrepot(['verify', ...args, '--admin', 'http://127.0.0.1:1'], '/');
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/^entrepot: (say what to verify|--rate .* is not a rate)/);
  });
});

describe('Ctrl-C', () => {
  const GONE = 'what was removed by then is gone, the rest stays';

  test.each<[string[], keyof Operations, string]>([
    [['purge', 'a'], 'purge', GONE],
    [['purge', '--upstream', 'docker.io', '--yes'], 'purge', GONE],
    [['evict', '--to', '0'], 'evict', GONE],
    [['refresh', 'a'], 'refresh', 'tags that were asked about are fresh, the others as they were'],
  ])('ends %j here and at the mirror', async (args, operation, hint) => {
    const started = Promise.withResolvers<AbortSignal>();
    const untilAborted = async (...given: unknown[]): Promise<never> => {
      const { signal } = given.at(-1) as WorkOptions<unknown>;
      started.resolve(signal);
      await once(signal, 'abort');
      throw signal.reason;
    };
    await using admin = await startAdmin({ [operation]: untilAborted });
    const child = startEntrepot([...args, '--json'], '/', { ENTREPOT_ADMIN: admin.url });
    const outcome = outcomeOf(child);
    const signal = await started.promise;
    child.kill('SIGINT');
    expect(await outcome).toEqual({ exitCode: 130, stdout: '', stderr: `entrepot: interrupted; ${hint}\n` });
    await expect.poll(() => signal.aborted, { timeout: 5000 }).toBe(true);
  });

  test.each<[string, keyof Operations]>([
    ['gc', 'collectGarbage'],
    ['retention', 'retention'],
  ])('ends the waiting for %s, and says that the mirror goes on', async (command, operation) => {
    const started = Promise.withResolvers<void>();
    const end = Promise.withResolvers<object>();
    const slow = (): Promise<object> => {
      started.resolve();
      return end.promise;
    };
    await using admin = await startAdmin({ [operation]: slow });
    const child = startEntrepot([command], '/', { ENTREPOT_ADMIN: admin.url });
    const outcome = outcomeOf(child);
    await started.promise;
    child.kill('SIGINT');
    const stderr = 'entrepot: interrupted; the mirror goes on with it\n';
    expect(await outcome).toEqual({ exitCode: 130, stdout: '', stderr });
    end.resolve({});
  });
});

describe('backup', () => {
  const COPY = seededBytes(2 * 1024 * 1024 + 17, 7);
  const backup = async (file: string) => {
    await writeFile(file, COPY);
    return { sizeBytes: COPY.length };
  };

  test('writes a new file', async () => {
    await using admin = await startAdmin({ backup });
    await using folder = await folderOf({ 'copy.sqlite.part': 'left by a crash, and longer than nothing' });
    const env = { ENTREPOT_ADMIN: admin.url };
    expect(await entrepot(['backup', 'copy.sqlite'], folder.path, env)).toEqual({
      exitCode: 0,
      stdout: 'wrote 2 MiB to copy.sqlite\n',
      stderr: '',
    });
    expect(COPY.equals(await readFile(join(folder.path, 'copy.sqlite')))).toBe(true);
    expect(await readdir(folder.path)).toEqual(['copy.sqlite']);
    const json = await entrepot(['backup', 'second.sqlite', '--json'], folder.path, env);
    expect(JSON.parse(json.stdout)).toEqual({ file: 'second.sqlite', sizeBytes: COPY.length });
  });

  test('never overwrites', async () => {
    await using admin = await startAdmin({ backup });
    await using folder = await folderOf({ 'copy.sqlite': 'mine' });
    expect(await entrepot(['backup', 'copy.sqlite'], folder.path, { ENTREPOT_ADMIN: admin.url })).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: 'entrepot: copy.sqlite is there already: it is not overwritten\n',
    });
    expect(await readFile(join(folder.path, 'copy.sqlite'), 'utf8')).toBe('mine');
    expect(admin.operations.calls).toEqual([]);
  });

  test('leaves nothing when it comes to an early end', async () => {
    await using broken = await Listener.start((_, response) => {
      response.writeHead(200, { 'Content-Length': 1000 }).write('half', () => setTimeout(() => response.destroy(), 50));
    });
    await using folder = await folderOf({});
    const { exitCode, stderr } = await entrepot(['backup', 'copy.sqlite'], folder.path, { ENTREPOT_ADMIN: broken.url });
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^entrepot: the connection to .* broke: /);
    expect(await readdir(folder.path)).toEqual([]);
  });

  test('leaves nothing when it is interrupted', async () => {
    const begun = Promise.withResolvers<void>();
    await using slow = await Listener.start((_, response) => {
      response.writeHead(200, { 'Content-Length': 1000 }).write('half', () => begun.resolve());
    });
    await using folder = await folderOf({});
    const child: ChildProcess = startEntrepot(['backup', 'copy.sqlite'], folder.path, { ENTREPOT_ADMIN: slow.url });
    const outcome = outcomeOf(child);
    await begun.promise;
    while ((await readdir(folder.path)).length === 0) await sleep(10);
    child.kill('SIGINT');
    expect(await outcome).toEqual({
      exitCode: 130,
      stdout: '',
      stderr: 'entrepot: interrupted; nothing was written\n',
    });
    expect(await readdir(folder.path)).toEqual([]);
  });

  test('says where it cannot write', async () => {
    await using admin = await startAdmin({ backup });
    await using folder = await folderOf({});
    const { exitCode, stderr } = await entrepot(['backup', 'no/copy.sqlite'], folder.path, {
      ENTREPOT_ADMIN: admin.url,
    });
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^entrepot: no\/copy\.sqlite\.part cannot be written: ENOENT/);
  });
});
