import { startCachingDockerRegistry, startDockerRegistry, startThisProgram, type Contender } from './contenders.ts';
import { pushImage, REPOSITORY, type BenchImage } from './content.ts';
import { type Figure, printFigures } from './figures.ts';
import { memoryWithSlowReaders, requestsPerSecond, transfer } from './measure.ts';
import { requirePrograms } from './require-programs.ts';

const MIB = 1024 * 1024;
const BLOB_BYTES = 512 * MIB;
const SECONDS = 5;
const ROUNDS = 4;
const SLOW_READERS = 200;

requirePrograms(['docker-registry', 'wrk', 'curl']);
await using origin = await startDockerRegistry();
const image = await pushImage(origin.url, 'v1', BLOB_BYTES);
const figures = new Map<string, readonly Figure[]>();
for (const start of [startCachingDockerRegistry, startThisProgram]) {
  await using contender = await start(origin.url);
  console.error(`measuring ${contender.name} ...`);
  figures.set(contender.name, await measure(contender, image));
}
const [theirs = [], ours = []] = figures.values();
printFigures(theirs, ours);
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
