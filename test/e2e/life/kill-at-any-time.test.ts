import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { sha256 } from '../../support/bytes.ts';
import { type Entrepot, startEntrepot } from '../../support/entrepot.ts';
import { startOrigin } from '../../support/origin.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { ask } from '../../faults/support/ask.ts';
import { watchDiskUsage } from '../support/watch-disk-usage.ts';
import { type BlobImage, blobImages, pullImage } from './support/blob-images.ts';
import { expectAgreement, storedOnDisk } from './support/index-and-disk.ts';
import { seededRandom } from './support/seeded-random.ts';

const MIB = 1024 * 1024;
const QUOTA = 32 * MIB;
const ROUNDS = 30;
const CLIENTS = 4;

/** What operators and the mirror itself do meanwhile. */
const DISTURBANCES = {
  'eviction by the quota alone': [],
  evict: ['/evict', { toBytes: 8 * MIB, dryRun: false }],
  'purge of an upstream': ['/purge', { upstream: 'docker.io', dryRun: false }],
  'purge of an image': ['/purge', { image: 'library/image-3:v1', dryRun: false }],
  gc: ['/gc', { dryRun: false }],
  scrub: ['/scrub', {}],
  verify: ['/verify', {}],
} as const satisfies Record<string, readonly [] | readonly [string, object]>;

test('kill -9 at any moment of pulls, eviction, purge, gc and scrub: index and disk agree at the next start', async () => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
  console.log(`kill -9 at random: SEED=${seed}`);
  const random = seededRandom(seed);
  await using origin = await startOrigin();
  await using data = await temporaryDirectory();
  const images = blobImages(origin, 16, (n) => [(1 + (n % 3)) * MIB, 200_000 * (n + 1), 10_000]);
  const large = blobImages(origin, 2, () => [18 * MIB], 'large');
  const config = {
    storage: { path: data.path, quota: QUOTA },
    upstreams: { 'docker.io': { url: origin.url, default: true } },
    log: { level: 'info' },
  };
  let mirror: Entrepot | undefined;
  using usage = watchDiskUsage(data.path, () => mirror?.pid);
  const counted = { complete: 0, cut: 0, refused: 0, removedImages: 0, adopted: 0, lost: 0, settled: 0, resumed: 0 };
  origin.fault({ path: '/blobs/' }, { kind: 'slow', bytesPerSecond: 12 * MIB });
  for (let round = 0; round < ROUNDS; round++) {
    const [what, [path, body]] = random.oneOf(Object.entries(DISTURBANCES));
    await using life = await startEntrepot({ config });
    mirror = life;
    const all = [...images, ...large];
    const pulls = Array.from({ length: CLIENTS }, () => pullUntilItEnds(life, random.fork(), all, counted));
    await sleep(random.below(400));
    const work = path === undefined ? undefined : callAdmin(life, path, body).catch(() => undefined);
    await sleep(random.below(random.oneOf([30, 250])));
    mirror = undefined;
    await life.kill();
    await Promise.all([...pulls, work]);
    expect(
      life.logs.filter(({ level }) => Number(level) >= 50),
      `errors in round ${round}, ${what}`,
    ).toEqual([]);
    count(life, counted);

    // Another life in peace: it puts in order what this one left, and ends properly.
    if (round % 3 !== 2) continue;
    await using next = await startEntrepot({ config });
    mirror = next;
    await until(() => next.logs.some(({ msg }) => msg === 'index and disk agree'));
    await pullImage(next.url, random.oneOf(images));
    mirror = undefined;
    await next.stop();
    count(next, counted);
    expectAgreement(data.path);
  }
  origin.clearFaults();
  await using last = await startEntrepot({ config });
  mirror = last;
  for (const image of [...images, ...large]) await pullImage(last.url, image);
  await origin.stop();
  for (const image of large.slice(-1)) await pullImage(last.url, image);
  mirror = undefined;
  await last.stop();
  expectAgreement(data.path);
  expect(usage.peak.bytes, JSON.stringify(usage.peak.parts)).toBeLessThanOrEqual(QUOTA);
  console.log(
    `${ROUNDS} rounds, quota ${QUOTA}, at most ${usage.peak.bytes} in ${usage.looks} looks`,
    usage.peak.parts,
  );
  console.log(counted, `${storedOnDisk(data.path).size} files at the end`);
});

type Counted = Record<
  'complete' | 'cut' | 'refused' | 'removedImages' | 'adopted' | 'lost' | 'settled' | 'resumed',
  number
>;

/** Pulls one image after the other as long as the mirror answers: what comes is right as far as it comes. */
async function pullUntilItEnds(
  { url }: Entrepot,
  random: ReturnType<typeof seededRandom>,
  images: readonly BlobImage[],
  counted: Counted,
): Promise<void> {
  try {
    for (;;) {
      const image = random.oneOf(images);
      const { repository, digest, mediaType: accept, config, layers } = image;
      const manifest = await ask({ url }, `/v2/${repository}/manifests/v1`, { headers: { accept } });
      // A purge may come between any two requests: the next one is a miss, and right again.
      expectRight(manifest, digest, counted);
      await Promise.all(
        [config, ...layers].map(async (blob) => {
          expectRight(await ask({ url }, `/v2/${repository}/blobs/${blob}`), blob, counted);
        }),
      );
    }
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

function expectRight(answer: Awaited<ReturnType<typeof ask>>, digest: string, counted: Counted): void {
  expect(answer.status, answer.body.toString('utf8', 0, 300)).toBe(200);
  if (!answer.whole) {
    counted.cut += 1;
    throw Object.assign(new Error('cut'), { code: 'ECONNRESET' });
  }
  expect(sha256(answer.body)).toBe(digest);
  counted.complete += 1;
}

function isGone(error: unknown): boolean {
  return ['ECONNRESET', 'ECONNREFUSED', 'EPIPE'].includes((error as NodeJS.ErrnoException).code ?? '');
}

async function callAdmin({ adminUrl }: Entrepot, path: string, body: object): Promise<void> {
  const headers = { 'Content-Type': 'application/json' };
  const answer = await fetch(`${adminUrl}/api/v1${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok && answer.status !== 404) throw new Error(text);
}

function count({ logs }: Entrepot, counted: Counted): void {
  for (const { msg, adopted, lost, removed } of logs) {
    if (msg === 'image removed') counted.removedImages += 1;
    if (msg === 'resuming an interrupted download') counted.resumed += 1;
    if (msg !== 'index and disk agree') continue;
    counted.adopted += Number(adopted);
    counted.lost += Number(lost);
    counted.settled += Number(removed);
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition(); waited += 10) {
    expect(waited, 'it took too long').toBeLessThan(20_000);
    await sleep(10);
  }
}
