import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { RegistryEvent } from '../../src/metadata/event-index.ts';
import { ask } from '../faults/support/ask.ts';
import { digestsOf, pullImage, pullIndex, untilStored } from '../faults/support/built-images.ts';
import { expectContent, GATEWAY_ERRORS } from '../faults/support/expectations.ts';
import { administer, imagesOf } from '../faults/support/operator.ts';
import { fileOf, quarantinedFiles, storedDigests } from '../faults/support/stored-files.ts';
import { openSqliteFile } from '../metadata/support/open-sqlite-index.ts';
import { type BuiltImage, type BuiltIndex, buildImage, buildIndex } from '../support/images.ts';
import { startMirror, type TestMirror } from '../support/mirror.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { entrepot, folderOf, type Outcome } from './command.ts';

const APP = '/v2/library/app';
const TEAM = '/v2/team/multi';

interface Report {
  readonly blobs: number;
  readonly manifests: number;
  readonly repositories: number;
  readonly tags: number;
  readonly pins: number;
  readonly events: number;
  readonly damaged: readonly string[];
  readonly namelessManifests: number;
  readonly lostTags: readonly string[];
  readonly keptAs: string | null;
  readonly problems: readonly string[];
}

/** A data directory with two pulled images, which a mirror may work on or a command. */
interface Warehouse extends AsyncDisposable {
  readonly origin: Origin;
  readonly image: BuiltImage;
  readonly index: BuiltIndex;
  /** The data directory. */
  readonly path: string;
  open(): Promise<TestMirror>;
  reindex(...args: string[]): Promise<Outcome>;
}

async function setWarehouse(): Promise<Warehouse> {
  await using opened = new AsyncDisposableStack();
  const folder = opened.use(await temporaryDirectory());
  const origin = opened.use(await startOrigin());
  const path = join(folder.path, 'data');
  const storage = { path, minFree: 0 };
  await writeFile(join(folder.path, 'config.yaml'), JSON.stringify({ storage }));
  const open = () => startMirror(origin, { upstream: { freshFor: '0s', retries: 0 }, config: { storage } });
  const image = buildImage(origin, 'library/app', 'v1', { layers: [1000, 30_000] });
  const index = buildIndex(origin, 'team/multi', 'v2', { seed: 5, layers: [20_000] });
  {
    await using mirror = await open();
    await pullImage(mirror, APP, 'v1', image);
    await pullIndex(mirror, TEAM, 'v2', index);
    await administer(mirror, 'POST', '/pins', { pattern: 'app:v1' });
    await untilStored(mirror);
  }
  origin.resetCounts();
  const reindex = (...args: string[]) => entrepot(['reindex', '--config', 'config.yaml', ...args], folder.path);
  const cleanup = opened.move();
  return { origin, image, index, path, open, reindex, [Symbol.asyncDispose]: () => cleanup.disposeAsync() };
}

async function removeIndex(path: string): Promise<void> {
  for (const suffix of ['', '-wal', '-shm']) await rm(join(path, `index.sqlite${suffix}`), { force: true });
}

/** The event log of an index that nobody has open. */
async function readLog(path: string): Promise<{ events: RegistryEvent[]; last: number }> {
  await using index = openSqliteFile(join(path, 'index.sqlite'));
  return { events: await index.readEvents(0, 100), last: await index.lastEvent() };
}

/** The tags of an index that nobody has open, with the times when they were moved. */
async function readTags(path: string): Promise<{ tag: string; movedAtMs: number }[]> {
  await using index = openSqliteFile(join(path, 'index.sqlite'));
  const repositories = ['docker.io/library/app', 'docker.io/team/multi'];
  const rows = await Promise.all(repositories.map((repository) => index.listTagRows({ repository, limit: 9 })));
  return rows.flat().map(({ tag, movedAtMs }) => ({ tag, movedAtMs }));
}

/** Makes one byte of a stored file another one. */
async function damage(path: string, digest: string): Promise<void> {
  const file = fileOf({ path }, digest);
  const bytes = await readFile(file);
  bytes[10] = (bytes[10] ?? 0) ^ 1;
  await writeFile(file, bytes);
}

describe.concurrent('reindex', () => {
  test('--force recovers everything of an index that is whole', async () => {
    await using house = await setWarehouse();
    const { origin, image, index, path } = house;
    const log = await readLog(path);
    const tags = await readTags(path);
    expect(tags.map(({ tag }) => tag)).toEqual(['v1', 'v2']);
    const { exitCode, stdout, stderr } = await house.reindex('--force', '--json');
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    const report = JSON.parse(stdout) as Report;
    expect(report).toMatchObject({
      blobs: digestsOf(image).length + digestsOf(index).length,
      manifests: 4,
      repositories: 2,
      tags: 2,
      pins: 1,
      events: log.events.length,
      damaged: [],
      namelessManifests: 0,
      lostTags: [],
      problems: [],
    });
    expect(await readdir(path)).toContain(report.keptAs?.split('/').at(-1));
    expect(log.events.map(({ kind }) => kind).toSorted()).toEqual(['fill', 'fill', 'fill', 'fill', 'tag', 'tag']);
    expect(await readLog(path)).toEqual(log);
    expect(await readTags(path)).toEqual(tags);

    await origin.stop();
    await using mirror = await house.open();
    await pullImage(mirror, APP, 'v1', image);
    await pullIndex(mirror, TEAM, 'v2', index);
    expect(await imagesOf(mirror, 'docker.io/library/app')).toMatchObject([
      { tags: ['v1'], digest: image.digest, isPinned: true },
    ]);
    expect((await imagesOf(mirror, 'docker.io/team/multi')).map(({ digest }) => digest)).toEqual([index.digest]);
    // Content belongs to its repository only.
    expect(GATEWAY_ERRORS).toContain((await ask(mirror, `${TEAM}/blobs/${image.config}`)).status);
  });

  test('without an index keeps all content: a pull costs its manifest and no blob', async () => {
    await using house = await setWarehouse();
    const { origin, image, index, path } = house;
    await removeIndex(path);
    const { exitCode, stdout } = await house.reindex();
    expect(exitCode).toBe(0);
    expect(stdout).toContain('names unknown of 4 manifests');
    // Greater than any number that the lost log can have given.
    expect(await readLog(path)).toEqual({ events: [], last: expect.toSatisfy((last: number) => last > 1e12) });
    await using mirror = await house.open();
    expect(await storedDigests({ path })).toEqual([...digestsOf(image), ...digestsOf(index)].toSorted());
    await pullImage(mirror, APP, 'v1', image);
    await pullIndex(mirror, TEAM, 'v2', index);
    expect(origin.blobBytesSent()).toBe(0);
    await origin.stop();
    await pullImage(mirror, APP, 'v1', image);
    await pullIndex(mirror, TEAM, 'v2', index);
  });

  test('puts damaged files aside and names them, with the tags that are lost by that; they are fetched again', async () => {
    await using house = await setWarehouse();
    const { origin, image, index, path } = house;
    const [layer = ''] = image.layers;
    for (const digest of [layer, index.digest]) await damage(path, digest);
    const { exitCode, stdout } = await house.reindex('--force');
    expect(exitCode).toBe(1);
    const named = stdout.split('\n').find((line) => line.startsWith('damaged, put aside: '));
    for (const digest of [layer, index.digest]) expect(named).toContain(digest);
    expect(stdout).toContain('tags without a stored manifest: docker.io/team/multi:v2');
    for (const digest of [layer, index.digest]) expect(await storedDigests({ path })).not.toContain(digest);
    expect((await quarantinedFiles({ path })).length).toBeGreaterThan(0);
    await using mirror = await house.open();
    await pullImage(mirror, APP, 'v1', image);
    await pullIndex(mirror, TEAM, 'v2', index);
    expect(origin.blobBytesSent()).toBe(1000);
  });

  test('--no-verify looks at manifests only; a damaged blob is still never served', async () => {
    await using house = await setWarehouse();
    const { image, index, path } = house;
    const [layer = ''] = image.layers;
    const [part] = index.images;
    await damage(path, layer);
    await damage(path, part?.digest ?? '');
    await removeIndex(path);
    const { exitCode, stdout } = await house.reindex('--no-verify', '--json');
    expect(exitCode).toBe(1);
    expect((JSON.parse(stdout) as Report).damaged).toEqual([part?.digest]);
    await using mirror = await house.open();
    expect((await ask(mirror, `${APP}/manifests/v1`)).status).toBe(200);
    const answer = await ask(mirror, `${APP}/blobs/${layer}`);
    if (answer.whole) expectContent(answer, layer);
  });

  test('takes what can still be read of a damaged index', async () => {
    await using house = await setWarehouse();
    const { origin, image, index, path } = house;
    const file = join(path, 'index.sqlite');
    const bytes = await readFile(file);
    await writeFile(file, bytes.fill(0xff, 0, 100));
    const { exitCode, stdout } = await house.reindex('--json');
    expect(exitCode).toBe(0);
    const report = JSON.parse(stdout) as Report;
    expect(report.problems.length).toBeGreaterThan(0);
    expect(report.blobs).toBe(digestsOf(image).length + digestsOf(index).length);
    expect(await readdir(path)).toContain(report.keptAs?.split('/').at(-1));
    await using mirror = await house.open();
    await pullImage(mirror, APP, 'v1', image);
    await pullIndex(mirror, TEAM, 'v2', index);
    expect(origin.blobBytesSent()).toBe(0);
  });

  test('is wrong use where the configuration has a mistake', async () => {
    await using folder = await folderOf({ 'config.yaml': 'storage: {quotta: 1GiB}\n' });
    expect(await entrepot(['reindex'], folder.path)).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: 'entrepot: config.yaml:1:11: storage.quotta: is not a known key; did you mean quota?\n',
    });
  });

  test('rebuilds an index that is empty since it was cut off, and keeps it too', async () => {
    await using house = await setWarehouse();
    const { origin, image, path } = house;
    await removeIndex(path);
    await writeFile(join(path, 'index.sqlite'), '');
    const { exitCode, stdout } = await house.reindex('--json');
    const { keptAs, manifests } = JSON.parse(stdout) as Report;
    expect({ exitCode, manifests }).toEqual({ exitCode: 0, manifests: 4 });
    expect((await readFile(keptAs ?? '')).length).toBe(0);
    await using mirror = await house.open();
    await pullImage(mirror, APP, 'v1', image);
    expect(origin.blobBytesSent()).toBe(0);
  });

  test('is refused while the mirror runs, and for an index that is whole', async () => {
    await using house = await setWarehouse();
    const { image, path } = house;
    const before = await readdir(path);
    const whole = await house.reindex();
    expect(whole).toMatchObject({ exitCode: 2, stdout: '' });
    expect(whole.stderr).toContain('--force');
    expect(await readdir(path)).toEqual(before);
    await using mirror = await house.open();
    const running = await house.reindex('--force', '--json');
    expect(running).toMatchObject({ exitCode: 1, stdout: '' });
    expect(running.stderr).toMatch(/^entrepot: .*(in use|INDEX_IN_USE|another process)/);
    await pullImage(mirror, APP, 'v1', image);
  });
});
