import { writeFile } from 'node:fs/promises';
import { OperationError } from '../../src/registry/operations/operation-error.ts';
import type {
  ImageStatus,
  Operations,
  RemovalReport,
  RepositoryStatus,
  StatusReport,
  UpstreamStatus,
} from '../../src/registry/operations/operations.ts';

/** Operations on nothing, which write down how they were called. */
export interface FakeOperations extends Operations {
  /** The name of each call and what it was given; work without its options. */
  readonly calls: (readonly [name: keyof Operations, ...args: unknown[]])[];
}

const GIB = 1024 ** 3;
const DAY_MS = 86_400_000;
export const DIGEST = `sha256:${'ab'.repeat(32)}`;

export const UPSTREAM: UpstreamStatus = {
  name: 'docker.io',
  isOffline: false,
  contentBytes: 12 * GIB,
  quotaBytes: 50 * GIB,
  isBreakerOpen: false,
  accounts: [{ username: 'alice', limit: 100, remaining: 76, blockedForMs: 0 }],
};

export const STATUS: StatusReport = {
  site: 'eu-west',
  version: '1.2.3',
  uptimeSeconds: 3 * 86_400,
  disk: {
    contentBytes: 40 * GIB,
    blobs: 4211,
    inFlightBytes: GIB,
    otherBytes: 12 * 1024 ** 2,
    quotaBytes: 100 * GIB,
    minFreeBytes: 2 * GIB,
    freeBytes: 200 * GIB,
    totalBytes: 1024 * GIB,
    pinnedBytes: 5 * GIB,
    isEvicting: false,
  },
  lookups: { manifest: { hits: 982, misses: 18 }, blob: { hits: 0, misses: 0 } },
  fills: [
    {
      digest: DIGEST,
      repository: 'docker.io/library/debian',
      sizeBytes: 100 * 1024 ** 2,
      receivedBytes: 25 * 1024 ** 2,
      readers: 3,
      seconds: 12,
      isKept: true,
    },
  ],
  upstreams: [UPSTREAM],
  scrub: { isRunning: false, everyMs: 7 * DAY_MS, completedAtMs: Date.now() - 3 * DAY_MS },
  webhooks: [{ name: 'ci', pendingEvents: 3, pendingSinceMs: Date.now() - 90_000, error: 'ci.example answered 503' }],
};

export const REMOVAL: RemovalReport = {
  isDryRun: false,
  images: [{ repository: 'docker.io/library/debian', tags: ['12', 'bookworm'], digest: DIGEST }],
  imageCount: 1,
  blobs: 7,
  freedBytes: 3 * GIB,
  pinned: 0,
};

/** A repository as a list has it. */
function repositoryOf(number: number): RepositoryStatus {
  const name = `docker.io/library/app-${String(number).padStart(5, '0')}`;
  return { repository: name, tags: 2, images: 3, sizeBytes: 1.5 * GIB, usedAtMs: Date.now() - 3 * DAY_MS };
}

/** An image as a list has it. */
export function imageOf(number: number): ImageStatus {
  return {
    repository: 'docker.io/library/debian',
    tags: [`${number}`],
    digest: `sha256:${String(number).padStart(64, '0')}`,
    sizeBytes: 50 * 1024 ** 2,
    usedAtMs: Date.now() - 5 * 3_600_000,
    isPinned: number === 1,
  };
}

/** Each operation succeeds with a little of everything, unless it is replaced. */
export function fakeOperations(replaced: Partial<Operations> = {}): FakeOperations {
  const calls: [keyof Operations, ...unknown[]][] = [];
  const operations: Operations = { ...SUCCESSES, ...replaced };
  const recorded = Object.entries(operations).map(([name, act]) => [
    name,
    (...args: unknown[]) => {
      calls.push([name as keyof Operations, ...args.filter((argument) => !isWorkOptions(argument))]);
      return (act as (...given: unknown[]) => unknown)(...args);
    },
  ]);
  return { ...(Object.fromEntries(recorded) as Operations), calls };
}

function isWorkOptions(argument: unknown): boolean {
  return typeof argument === 'object' && argument !== null && 'signal' in argument;
}

const SUCCESSES: Operations = {
  status: () => Promise.resolve(STATUS),
  repositories: ({ after, limit }) => Promise.resolve(pageOf(repositoryOf, (entry) => entry.repository, after, limit)),
  images: ({ after, limit }) => Promise.resolve(pageOf(imageOf, (entry) => entry.digest, after, limit)),
  pins: () =>
    Promise.resolve([
      { pattern: 'docker.io/library/debian:*', origin: 'config' },
      { pattern: 'ghcr.io/owner/**', origin: 'operator', atMs: Date.now() - DAY_MS },
    ]),
  pin: () => Promise.resolve(),
  unpin: (pattern) =>
    pattern === 'none'
      ? Promise.reject(new OperationError('NOT_FOUND', 'there is no pin "none" of an operator'))
      : Promise.resolve(),
  purge: (_, { dryRun }) => Promise.resolve({ ...REMOVAL, isDryRun: dryRun }),
  refresh: (image) => Promise.resolve([{ reference: image, result: 'moved', digest: DIGEST }]),
  evict: ({ dryRun }) => Promise.resolve({ ...REMOVAL, isDryRun: dryRun, pinned: 2 }),
  collectGarbage: ({ dryRun }) =>
    Promise.resolve({
      isDryRun: dryRun,
      looseBlobs: 5,
      interruptedIngests: 1,
      debris: 0,
      rows: 12,
      freedBytes: 1.5 * GIB,
    }),
  retention: ({ dryRun }) =>
    Promise.resolve({
      isDryRun: dryRun,
      repositories: 3,
      tags: 2,
      manifests: 1500,
      removed: [
        { repository: 'local/app', tag: 'v1', digest: DIGEST },
        { repository: 'local/app', digest: DIGEST },
      ],
    }),
  warm: ({ images }, { onProgress }) => {
    const counts = { blobs: 4, bytes: GIB };
    const total = images.length;
    onProgress({ ...counts, images: total, imagesDone: 0, blobsDone: 2, bytesDone: GIB / 4 });
    const done = { ...counts, images: total, imagesDone: total, blobsDone: 4, bytesDone: GIB };
    return Promise.resolve({ ...done, fetchedBytes: GIB / 2, failures: [] });
  },
  verify: (_, { onProgress }) => {
    onProgress({ blobs: 4, blobsDone: 1, bytes: GIB, bytesDone: GIB / 4 });
    const done = { blobs: 4, blobsDone: 4, bytes: GIB, bytesDone: GIB };
    return Promise.resolve({ ...done, damaged: [DIGEST], missing: [], healed: [DIGEST] });
  },
  startScrub: () => Promise.resolve({ isRunning: true, everyMs: 7 * DAY_MS }),
  setOffline: (upstream, isOffline) => Promise.resolve({ ...UPSTREAM, name: upstream, isOffline }),
  backup: async (file) => {
    await writeFile(file, 'a copy of the index');
    return { sizeBytes: 19 };
  },
};

/** A page of a list of 250. */
function pageOf<T>(
  make: (number: number) => T,
  key: (entry: T) => string,
  after: string | undefined,
  limit: number,
): T[] {
  const all = Array.from({ length: 250 }, (_, number) => make(number));
  return all.filter((entry) => after === undefined || key(entry) > after).slice(0, limit);
}
