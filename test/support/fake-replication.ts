import type { ReplicationOperations, ReplicationStatus } from '../../src/replication/replication-operations.ts';

/** Replication on nothing, which writes down how it was called. */
export interface FakeReplication extends ReplicationOperations {
  /** The name of each call and what it was given, without the options of work. */
  readonly calls: (readonly [name: keyof ReplicationOperations, query: unknown])[];
}

const DIGEST = `sha256:${'cd'.repeat(32)}`;
const OTHER = `sha256:${'ef'.repeat(32)}`;
const MIB = 1024 ** 2;

export const REPLICATION: ReplicationStatus = {
  links: [
    {
      rule: 'base-images',
      peer: 'us-east',
      lagSeconds: 95,
      jobs: { pending: 3, running: 1, waiting: 0, parked: 2, held: 0 },
      pendingBytes: 512 * MIB,
      sentBytes: 64 * MIB,
      isPaused: false,
      isOutsideWindow: false,
      isSparseRefused: true,
      lastDoneAtMs: Date.now() - 60_000,
      lastError: { atMs: Date.now() - 5_000, message: 'us-east: answered 503' },
    },
  ],
  peers: [{ name: 'us-east', site: 'us-east-1', isUp: false, downSinceMs: Date.now() - 30_000, error: 'answered 503' }],
  conflicts: 1,
};

/** Where nothing is replicated. */
const IDLE: ReplicationStatus = { links: [], peers: [], conflicts: 0 };

/** Each operation succeeds with a little of everything, unless it is replaced; there are no rules. */
export function fakeReplication(replaced: Partial<ReplicationOperations> = {}): FakeReplication {
  const calls: [keyof ReplicationOperations, unknown][] = [];
  const operations: ReplicationOperations = { ...SUCCESSES, ...replaced };
  const recorded = Object.entries(operations).map(([name, act]) => [
    name,
    (...args: unknown[]) => {
      calls.push([name as keyof ReplicationOperations, args[0]]);
      return (act as (...given: unknown[]) => unknown)(...args);
    },
  ]);
  return { ...(Object.fromEntries(recorded) as ReplicationOperations), calls };
}

const LINK = { rule: 'base-images', peer: 'us-east', repository: 'docker.io/library/debian' };

const SUCCESSES: ReplicationOperations = {
  status: () => Promise.resolve(IDLE),
  jobs: () =>
    Promise.resolve([
      {
        ...LINK,
        id: 7,
        reference: '12',
        isDeletion: false,
        state: 'parked',
        sinceMs: Date.now() - 60_000,
        dueAtMs: Date.now(),
        attempts: 5,
        reason: 'the tag is immutable',
      },
    ]),
  history: () =>
    Promise.resolve([
      {
        ...LINK,
        id: 3,
        reference: DIGEST,
        digest: DIGEST,
        outcome: 'copied',
        startedAtMs: Date.now() - 3_000,
        durationMs: 1_500,
        sentBytes: 3 * MIB,
      },
    ]),
  conflicts: () =>
    Promise.resolve([
      {
        id: 1,
        atMs: Date.now() - 3_600_000,
        repository: 'local/app',
        tag: 'v1',
        kept: { digest: DIGEST, site: 'us-east' },
        lost: { digest: OTHER, site: 'eu-west' },
      },
    ]),
  replicate: ({ dryRun, now }, { onProgress }) => {
    onProgress({ references: 4, referencesDone: 1, sentBytes: MIB });
    return Promise.resolve({
      isDryRun: dryRun,
      isWaitedFor: now,
      references: 4,
      referencesDone: now ? 4 : 0,
      sentBytes: now ? 5 * MIB : 0,
      differences: dryRun ? [{ ...LINK, tag: '12', kind: 'missing', here: DIGEST }] : [],
      failures: [],
    });
  },
  diff: ({ peer }, { onProgress }) => {
    onProgress({ repositories: 1, repositoriesDone: 1, tags: 4 });
    return Promise.resolve({
      peer,
      repositories: 1,
      repositoriesDone: 1,
      tags: 4,
      same: 2,
      differenceCount: 2,
      differences: [
        { ...LINK, tag: '12', kind: 'different', here: DIGEST, there: OTHER },
        { ...LINK, tag: '11', kind: 'deleted', there: OTHER },
      ],
    });
  },
  pause: () => Promise.resolve(),
  resume: () => Promise.resolve(),
  retry: () => Promise.resolve({ jobs: 2 }),
  approve: () => Promise.resolve({ jobs: 1 }),
};
