import { expect, test } from 'vitest';
import type { StatusReport } from '../../../src/registry/operations/operations.ts';
import { startEntrepot } from '../../support/entrepot.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { startDockerd } from '../support/dockerd.ts';
import { pushImages } from '../support/push-images.ts';
import { run } from '../support/run.ts';
import { runJsonCommand } from '../support/run-command.ts';
import { imagesOverOneBase } from '../support/runnable-images.ts';
import { watchDiskUsage } from '../support/watch-disk-usage.ts';

const MIB = 1024 * 1024;
const QUOTA = 48 * MIB;

const tags = ['pinned', ...Array.from({ length: 11 }, (_, n) => `v${n + 1}`)];
const images = imagesOverOneBase(tags, { baseBytes: 3 * MIB, ownBytes: 5.5 * MIB });
const blobs = new Map(Object.values(images).flatMap((image) => Array.from(image.blobs)));
const allBytes = blobs.values().reduce((sum, { length }) => sum + length, 0);

test.each([
  { where: 'in one repository', repositoryOf: () => 'app' },
  { where: 'in a repository each', repositoryOf: (tag: string) => `app-${tag}` },
])(
  'docker pulls and runs more images than fit, $where: du stays below the quota, LRU order is kept',
  async ({ where, repositoryOf }) => {
    await using origin = await startDockerRegistry();
    for (const [tag, image] of Object.entries(images)) {
      await pushImages({ registry: origin, repository: `library/${repositoryOf(tag)}` }, { [tag]: image });
    }
    await using data = await temporaryDirectory();
    const storage = { path: data.path, quota: QUOTA };
    const upstreams = { 'docker.io': { ...origin.upstream(), default: true } };
    const pins = [`library/${repositoryOf('pinned')}:pinned`];
    await using mirror = await startEntrepot({ config: { storage, upstreams, pins } });
    await using dockerd = await startDockerd(mirror.url);
    using usage = watchDiskUsage(data.path, () => mirror.pid);

    /** Pulls and runs them one by one. @returns how often the origin was asked for each blob */
    const pull = async (...wanted: string[]): Promise<Map<string, number>> => {
      for (const tag of wanted) {
        const name = `${repositoryOf(tag)}:${tag}`;
        await dockerd.docker('pull', name);
        expect(await dockerd.docker('run', '--rm', '--network', 'none', name)).toBe(`${images[tag]?.message}\n`);
        await dockerd.docker('image', 'rm', name);
      }
      const asked = new Map<string, number>();
      for (const path of await origin.takeBlobGets()) {
        const digest = path.slice(path.lastIndexOf('/') + 1);
        asked.set(digest, (asked.get(digest) ?? 0) + 1);
      }
      return asked;
    };
    const du = async () => Number((await run('du', ['-s', '--block-size=1', data.path])).split('\t')[0]);
    const onceEach = (...wanted: string[]) =>
      new Map(wanted.flatMap((tag) => Array.from(images[tag]?.blobs.keys() ?? [], (digest) => [digest, 1] as const)));

    expect(allBytes).toBeGreaterThan(1.3 * QUOTA);
    expect(await pull(...tags), 'all that there is, once').toEqual(onceEach(...tags));
    expect(await du()).toBeLessThanOrEqual(QUOTA);
    expect(await pull('v11', 'v10', 'pinned'), 'nothing').toEqual(new Map());
    const base = images['pinned']?.blobs.keys().next().value ?? '';
    const evicted = onceEach('v1', 'v2');
    evicted.delete(base);
    expect(await pull('v1', 'v2'), 'what was evicted').toEqual(evicted);

    await origin.stop();
    await pull('pinned', 'v10', 'v2', 'v1', 'v11');
    expect(await du()).toBeLessThanOrEqual(QUOTA);
    expect(usage.peak.bytes, JSON.stringify(usage.peak.parts)).toBeLessThanOrEqual(QUOTA);
    expect(mirror.logs.filter(({ msg }) => String(msg).startsWith('no room'))).toEqual([]);
    const { disk } = await runJsonCommand<StatusReport>(mirror.adminUrl, 'status');
    console.log(`${where}: ${allBytes} bytes, quota ${QUOTA}, at most ${usage.peak.bytes} in ${usage.looks} looks`, {
      peak: usage.peak.parts,
      disk,
    });
  },
);
