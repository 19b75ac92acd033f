import { execFile, execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { seedIndex } from '../test/metadata/support/seed-index.ts';
import { startEntrepot } from '../test/support/entrepot.ts';
import { temporaryDirectory } from '../test/support/temporary-directory.ts';
import { startDockerRegistry } from './contenders.ts';
import { pushImage, REPOSITORY } from './content.ts';
import { type Latencies, latencies } from './latencies.ts';

/** How long manifests take while ten thousand of two hundred thousand images are evicted, beside how long they take idle. */
const run = promisify(execFile);
const IMAGES = Number(process.env['BENCH_IMAGES'] ?? 200_000);
const EVICTED = IMAGES / 20;
/** As the disk counts them: a manifest, a config, five layers (test/metadata/support/seed-index.ts). */
const OWN_BYTES = 4096 + 8192 + 5 * 1_003_520;
const SECONDS = 20;

await using directory = await temporaryDirectory('bench');
const data = join(directory.path, 'data');
mkdirSync(data);
console.error(`seeding ${IMAGES} images ...`);
const seeded = seedIndex(join(data, 'index.sqlite'), { images: IMAGES });
makeFiles();
await using origin = await startDockerRegistry();
await pushImage(origin.url, 'v1', 1024);
await using program = await startEntrepot({
  config: {
    storage: { path: data },
    upstreams: { 'docker.io': { url: origin.url, default: true, freshFor: '1h' } },
    pins: [`docker.io/${REPOSITORY}`],
    scrub: { every: 'never' },
  },
});
const url = `${program.url}/v2/${REPOSITORY}/manifests/v1`;
await (await fetch(url)).bytes();
await untilStill();
const idle = await latencies(url, SECONDS);
const evicting = await whileEvicting();
console.table({ idle, [`evicting ${evicting.images} of ${IMAGES} images`]: evicting.latencies });
console.log(`evicted while it was measured: ${evicting.imagesMeanwhile}; all took ${evicting.seconds.toFixed(0)} s`);
console.log(`p99 while evicting / p99 idle: ${(evicting.latencies.p99Ms / idle.p99Ms).toFixed(2)}`);
process.exit(0);

/** Empty ones: an eviction removes them all the same. */
function makeFiles(): void {
  const blobs = join(data, 'blobs', 'sha256');
  for (let folder = 0; folder < 256; folder += 1) {
    mkdirSync(join(blobs, folder.toString(16).padStart(2, '0')), { recursive: true });
  }
  for (let number = 0; number < IMAGES; number += 1) {
    const { manifest, config, layers } = seeded.imageAt(number);
    for (const digest of [
      manifest,
      config,
      ...layers.slice(3),
      ...(number < seeded.repositories.length ? layers : []),
    ]) {
      const hex = digest.slice('sha256:'.length);
      closeSync(openSync(join(blobs, hex.slice(0, 2), hex), 'w'));
    }
  }
}

/** The comparison of index and disk after the start is over. */
async function untilStill(): Promise<void> {
  for (let last = -1; ; ) {
    const used = Number(execFileSync('ps', ['-o', 'cputimes=', '-p', String(program.pid)]).toString());
    if (used === last) return;
    last = used;
    await sleep(3000);
  }
}

interface WhileEvicting {
  /** All that went, and how long it took. */
  readonly images: number;
  readonly seconds: number;
  /** Of these the ones that went while it was measured. */
  readonly imagesMeanwhile: number;
  readonly latencies: Latencies;
}

async function whileEvicting(): Promise<WhileEvicting> {
  const { disk } = (await (await fetch(`${program.adminUrl}/api/v1/status`)).json()) as {
    disk: { contentBytes: number; otherBytes: number };
  };
  const target = disk.contentBytes + disk.otherBytes - EVICTED * OWN_BYTES;
  const command = ['src/main.ts', 'evict', '--to', String(target), '--admin', program.adminUrl, '--json'];
  const startedAt = performance.now();
  const eviction = run(process.execPath, command);
  // Beyond what the command itself costs to start.
  await sleep(1000);
  const before = await evictedImages();
  const measured = await latencies(url, SECONDS);
  const after = await evictedImages();
  const report = JSON.parse((await eviction).stdout) as { imageCount: number };
  return {
    images: report.imageCount,
    seconds: (performance.now() - startedAt) / 1000,
    imagesMeanwhile: after - before,
    latencies: measured,
  };
}

async function evictedImages(): Promise<number> {
  const metrics = await (await fetch(`${program.adminUrl}/metrics`)).text();
  return Number(/^entrepot_removed_images_total\{.*cause="evicted".*\} (\d+)$/m.exec(metrics)?.[1] ?? 0);
}
