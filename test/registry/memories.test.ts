import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { digestOf } from '../../src/oci/digest.ts';
import type { ManifestAnswer } from '../../src/registry/manifest-answer.ts';
import { NotFoundCache } from '../../src/registry/not-found-cache.ts';
import { SeenTags } from '../../src/registry/seen-tags.ts';

const APP = 'docker.io/library/app';
const digest = digestOf(Buffer.from('manifest'));
const other = digestOf(Buffer.from('other'));

const answer: ManifestAnswer = {
  digest,
  mediaType: 'type',
  sizeBytes: 8,
  outcome: 'miss',
  ageMs: 0,
  bytes: undefined,
};

function tagsOf(seen: SeenTags, ...of: Parameters<SeenTags['tagsOf']>): string[] {
  return seen.tagsOf(...of).map(({ tag }) => tag);
}

describe('the tags that were seen', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: 1_000_000 }));
  afterEach(() => void vi.useRealTimers());

  test('are told by digest, each once, and by repository', () => {
    const seen = new SeenTags();
    for (const tag of ['v1', 'latest', 'v1']) seen.add(APP, tag, digest);
    seen.add(APP, 'v2', other);
    seen.add('ghcr.io/owner/app', 'v3', digest);
    expect(tagsOf(seen, APP, digest).toSorted()).toEqual(['latest', 'v1']);
    expect(tagsOf(seen, APP, other)).toEqual(['v2']);
    expect(tagsOf(seen, 'docker.io/library/ap', digest)).toEqual([]);
  });

  test('are answered for while the answer is fresh, and tell its age', () => {
    const seen = new SeenTags();
    seen.tell(APP, 'v1', answer);
    vi.setSystemTime(1_000_400);
    expect(seen.find(APP, 'v1', 1000)).toEqual({ answer, ageMs: 400 });
    expect(seen.find(APP, 'v1', Infinity)).toEqual({ answer, ageMs: 400 });
    expect(seen.find(APP, 'v1', 400)).toBe(undefined);
    expect(seen.find(APP, 'v1', 0)).toBe(undefined);
    expect(seen.find(APP, 'v2', 1000)).toBe(undefined);
    seen.tell(APP, 'v1', { ...answer, digest: other });
    expect(seen.find(APP, 'v1', 1000)).toMatchObject({ answer: { digest: other }, ageMs: 0 });
  });

  test('are forgotten with a tag that is deleted, and others are not', () => {
    const seen = new SeenTags();
    for (const tag of ['v1', 'v2']) {
      seen.add(APP, tag, digest);
      seen.tell(APP, tag, answer);
    }
    seen.forget(APP, 'v1');
    seen.forget(APP, 'none');
    expect(tagsOf(seen, APP, digest)).toEqual(['v2']);
    expect(seen.find(APP, 'v1', Infinity)).toBe(undefined);
    expect(seen.find(APP, 'v2', Infinity)).toMatchObject({ answer });
    seen.add(APP, 'v1', other);
    expect(tagsOf(seen, APP, other)).toEqual(['v1']);
  });

  test('belong to the last digest only when a tag moved between two looks', () => {
    const seen = new SeenTags();
    seen.add(APP, 'v1', digest);
    seen.add(APP, 'v1', other);
    expect(tagsOf(seen, APP, other)).toEqual(['v1']);
    expect(tagsOf(seen, APP, digest)).toEqual([]);
  });
});

describe('the memory of what was not found', () => {
  test('lasts as long as it was told', async () => {
    const cache = new NotFoundCache(60);
    expect(cache.has(APP, 'v1')).toBe(false);
    cache.add(APP, 'v1');
    expect(cache.has(APP, 'v1')).toBe(true);
    expect(cache.has(APP, 'v2')).toBe(false);
    expect(cache.has('docker.io/library/other', 'v1')).toBe(false);
    await sleep(120);
    expect(cache.has(APP, 'v1')).toBe(false);
  });

  test.each([0, -1])('is off with %i ms', (ttlMs) => {
    const cache = new NotFoundCache(ttlMs);
    cache.add(APP, 'v1');
    expect(cache.has(APP, 'v1')).toBe(false);
  });

  test('is bounded: what nobody can ask about for ever is forgotten', () => {
    const cache = new NotFoundCache(60_000);
    for (let number = 0; number < 20_000; number += 1) cache.add(APP, `v${number}`);
    expect(cache.has(APP, 'v0')).toBe(false);
    expect(cache.has(APP, 'v19999')).toBe(true);
  });
});
