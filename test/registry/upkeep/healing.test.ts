import { describe, expect, test } from 'vitest';
import type { BlobRow } from '../../../src/metadata/metadata-index.ts';
import { type Digest, digestOf } from '../../../src/oci/digest.ts';
import { makeRepository, type Repository } from '../../../src/oci/repository.ts';
import { RegistryError } from '../../../src/registry/registry-error.ts';
import { Healing } from '../../../src/registry/upkeep/healing.ts';
import { CodedError } from '../../../src/util/coded-error.ts';
import { UpstreamError, type UpstreamErrorCode } from '../../../src/upstream/upstream-error.ts';

const [FIRST, SECOND] = [digestOf(Buffer.from('first')), digestOf(Buffer.from('second'))];
const NEVER = new AbortController().signal;

/** Lost blobs whose repositories' upstream fails as told. */
class Ward {
  readonly asked: string[] = [];
  readonly told: object[] = [];
  readonly stored = new Set<Digest>();
  holders = ['docker.io/library/app'];
  denied: string | undefined;
  failure: UpstreamErrorCode | undefined;
  /** Only these repositories' upstreams fail; undefined: all. */
  failing: string[] | undefined;
  noRoom = false;
  readonly holdersOf = new Map<Digest, string[]>();
  readonly healing = new Healing({
    index: {
      findBlob: async (_, digest) => ({ isStored: this.stored.has(digest) }) as BlobRow,
      repositoriesOf: async (digest) =>
        (this.holdersOf.get(digest) ?? this.holders).map((repository) => ({ repository, isManifest: false })),
    },
    upstreams: {
      sourcedRepository: (name) => repositoryNamed(name),
      isHosted: () => false,
      check: ({ name }) => {
        if (name === this.denied) throw new RegistryError('DENIED', 'not here');
      },
    },
    blobs: { fetch: (repository, digest) => this.#fetch(repository, digest) },
    shelf: { fetch: () => Promise.reject(new Error('no manifest')) },
    early: { fetch: () => Promise.reject(new Error('no manifest')) },
    telemetry: { contentHealed: (event) => void this.told.push(event) },
  });

  async #fetch({ name }: Repository, digest: Digest): Promise<number> {
    this.asked.push(name);
    if (this.noRoom) throw new CodedError('NO_ROOM', 'there is no room');
    if (this.failure && (this.failing?.includes(name) ?? true))
      throw new UpstreamError(this.failure, 'docker.io', 'no');
    this.stored.add(digest);
    return 1;
  }
}

function repositoryNamed(name: string): Repository {
  const slash = name.indexOf('/');
  return makeRepository(name.slice(0, slash), name.slice(slash + 1));
}

describe('healing', () => {
  test.each(['UNREACHABLE', 'TIMEOUT', 'UNAVAILABLE', 'RATE_LIMITED'] as const)(
    'tries again what the upstream could not give (%s), until it can, and tells the failure once',
    async (code) => {
      const ward = new Ward();
      ward.failure = code;
      expect([await ward.healing.heal(FIRST), await ward.healing.heal(SECOND)]).toEqual([false, false]);
      await ward.healing.healOwed(NEVER);
      expect(ward.asked, 'one is enough to see that it still fails').toHaveLength(3);
      ward.failure = undefined;
      await ward.healing.healOwed(NEVER);
      expect(ward.stored).toEqual(new Set([FIRST, SECOND]));
      expect(ward.told).toHaveLength(2);
      await ward.healing.healOwed(NEVER);
      expect(ward.asked).toHaveLength(5);
    },
  );

  test.each(['NOT_FOUND', 'DENIED', 'INVALID'] as const)('takes %s for the last word', async (code) => {
    const ward = new Ward();
    ward.failure = code;
    expect(await ward.healing.heal(FIRST)).toBe(false);
    await ward.healing.healOwed(NEVER);
    expect(ward.asked).toHaveLength(1);
  });

  test('leaves alone what has come back otherwise, and what nobody has here any more', async () => {
    const ward = new Ward();
    ward.failure = 'UNREACHABLE';
    for (const digest of [FIRST, SECOND]) await ward.healing.heal(digest);
    ward.stored.add(FIRST);
    ward.holders = [];
    await ward.healing.healOwed(NEVER);
    expect(ward.asked).toHaveLength(2);
  });

  test('is not held up by another upstream that fails, nor by want of room', async () => {
    const ward = new Ward();
    ward.holders = ['docker.io/library/app'];
    ward.failure = 'UNREACHABLE';
    await ward.healing.heal(FIRST);
    ward.noRoom = true;
    await ward.healing.heal(SECOND);
    expect(ward.asked).toHaveLength(2);
    ward.noRoom = false;
    ward.failing = ['docker.io/library/app'];
    ward.holdersOf.set(FIRST, ['ghcr.io/team/app']);
    await ward.healing.healOwed(NEVER);
    expect(ward.stored).toEqual(new Set([FIRST]));
    ward.failing = [];
    ward.failure = undefined;
    await ward.healing.healOwed(NEVER);
    expect(ward.stored).toEqual(new Set([FIRST, SECOND]));
  });

  test('asks for nothing in a repository that may not be pulled, and goes on with the next one', async () => {
    const ward = new Ward();
    ward.denied = 'docker.io/library/app';
    ward.holders = [ward.denied, 'docker.io/library/other'];
    expect(await ward.healing.heal(FIRST)).toBe(true);
    expect(ward.asked).toEqual(['docker.io/library/other']);
  });
});
