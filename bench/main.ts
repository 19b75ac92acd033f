import { execFileSync } from 'node:child_process';
import { startCachingDockerRegistry, startDockerRegistry, startThisProgram, type Contender } from './contenders.ts';
import { pushImage, REPOSITORY, type BenchImage } from './content.ts';
import { memoryWithSlowReaders, requestsPerSecond, transfer } from './measure.ts';

const MIB = 1024 * 1024;
const BLOB_BYTES = 512 * MIB;
const SECONDS = 5;
const ROUNDS = 4;
const SLOW_READERS = 200;

interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
  readonly value: number;
}

for (const program of ['docker-registry', 'wrk', 'curl']) {
  try {
    execFileSync('which', [program]);
  } catch {
    console.error(`${program} is missing: apt-get install docker-registry wrk curl`);
    process.exit(1);
  }
}
await using origin = await startDockerRegistry();
const image = await pushImage(origin.url, 'v1', BLOB_BYTES);
const figures = new Map<string, readonly Figure[]>();
for (const start of [startCachingDockerRegistry, startThisProgram]) {
  await using contender = await start(origin.url);
  console.error(`measuring ${contender.name} ...`);
  figures.set(contender.name, await measure(contender, image));
}
print(figures);
process.exit(0);

async function measure({ url, pid }: Contender, { manifest, blob, blobBytes }: BenchImage): Promise<Figure[]> {
  const base = `${url}/v2/${REPOSITORY}`;
  const blobUrl = `${base}/blobs/${blob}`;
  const cold = await transfer(blobUrl, pid, blobBytes, 1);
  await (await fetch(`${base}/manifests/v1`)).bytes();
  // What was fetched is being stored: that must not count against the warm figures.
  await new Promise((resolve) => setTimeout(resolve, 3000));
  const byTag = await requestsPerSecond(`${base}/manifests/v1`, SECONDS);
  const byDigest = await requestsPerSecond(`${base}/manifests/${manifest}`, SECONDS);
  const warm = await transfer(blobUrl, pid, blobBytes, ROUNDS);
  const memory = await memoryWithSlowReaders(blobUrl, pid, SLOW_READERS, SECONDS);
  return [
    { name: 'manifest by tag', unit: 'requests/s', better: 'more', value: byTag },
    { name: 'manifest by digest', unit: 'requests/s', better: 'more', value: byDigest },
    { name: 'warm blob, one client', unit: 'MiB/s', better: 'more', value: warm.mibPerSecond },
    { name: 'warm blob, CPU', unit: 's/GB', better: 'less', value: warm.cpuSecondsPerGb },
    { name: 'warm blob, first byte', unit: 'ms', better: 'less', value: warm.firstByteMs },
    { name: 'cold blob, one client', unit: 'MiB/s', better: 'more', value: cold.mibPerSecond },
    { name: 'cold blob, first byte', unit: 'ms', better: 'less', value: cold.firstByteMs },
    { name: `memory, ${SLOW_READERS} slow readers`, unit: 'MiB', better: 'less', value: memory },
  ];
}

/** `ratio`: how many times better than docker-registry, whichever way is better. */
function print(all: ReadonlyMap<string, readonly Figure[]>): void {
  const [theirs = [], ours = []] = all.values();
  const rows = ours.map((figure, position) => {
    const other = theirs[position]?.value ?? Number.NaN;
    const ratio = figure.better === 'more' ? figure.value / other : other / figure.value;
    return {
      figure: figure.name,
      unit: figure.unit,
      'docker-registry': round(other),
      entrepot: round(figure.value),
      'times better': round(ratio),
    };
  });
  console.table(rows);
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}
