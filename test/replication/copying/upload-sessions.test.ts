import { describe, expect, test } from 'vitest';
import { MIN_KEPT_BYTES, UploadSessions } from '../../../src/replication/copying/upload-sessions.ts';
import { PeerMemory } from '../../../src/replication/copying/peer-memory.ts';
import { digestFor } from '../support/scripted-peer.ts';

const [ONE, OTHER] = [digestFor('one'), digestFor('other')];

function open(stored?: string, memory = new PeerMemory({ maxConnections: 1 }), path = 'local/app') {
  const saved: (string | undefined)[] = [];
  const save = async (progress: string | undefined) => {
    saved.push(progress);
  };
  return { saved, sessions: new UploadSessions({ stored, save, memory, path }) };
}

/** As it is saved. */
function at(digest: string, path = 'local/app'): string {
  return `${path}@${digest}`;
}

describe('upload sessions', () => {
  test('are saved while there are some, and found by who reads what was saved', async () => {
    const { saved, sessions } = open();
    await sessions.keep(ONE, MIN_KEPT_BYTES, 'first');
    await sessions.keep(OTHER, MIN_KEPT_BYTES, 'second');
    await sessions.keep(ONE, MIN_KEPT_BYTES, undefined);
    await sessions.keep(OTHER, MIN_KEPT_BYTES, undefined);
    const [first, second, third, last] = saved;
    expect([first, second, third].map((text) => JSON.parse(text ?? ''))).toEqual([
      { [at(ONE)]: 'first' },
      { [at(ONE)]: 'first', [at(OTHER)]: 'second' },
      { [at(OTHER)]: 'second' },
    ]);
    expect(last).toBe(undefined);
    expect(saved).toHaveLength(4);
    const next = open(second).sessions;
    expect([next.find(ONE), next.find(OTHER)]).toEqual(['first', 'second']);
  });

  test('are saved only when they change', async () => {
    const { saved, sessions } = open(JSON.stringify({ [at(ONE)]: 'first' }));
    await sessions.keep(ONE, MIN_KEPT_BYTES, 'first');
    await sessions.keep(OTHER, MIN_KEPT_BYTES, undefined);
    expect(saved).toEqual([]);
  });

  test('of small blobs are known to jobs of the same repository at the same time only', async () => {
    const memory = new PeerMemory({ maxConnections: 1 });
    const { saved, sessions } = open(undefined, memory);
    await sessions.keep(ONE, MIN_KEPT_BYTES - 1, 'first');
    expect(saved).toEqual([]);
    expect(open(undefined, memory).sessions.find(ONE)).toBe('first');
    expect(open(undefined, memory, 'local/other').sessions.find(ONE)).toBe(undefined);
    await sessions.keep(ONE, MIN_KEPT_BYTES - 1, undefined);
    expect(open(undefined, memory).sessions.find(ONE)).toBe(undefined);
  });

  test('are of no use where the repository has another name at the peer by now', async () => {
    const { saved, sessions } = open(undefined, undefined, 'eu/app');
    await sessions.keep(ONE, MIN_KEPT_BYTES, 'first');
    expect(open(saved[0], undefined, 'eu/app').sessions.find(ONE)).toBe('first');
    for (const path of ['eu/ap', 'eu/app2', 'us/app', 'app']) {
      const next = open(saved[0], undefined, path);
      expect(next.sessions.find(ONE)).toBe(undefined);
      await next.sessions.keep(OTHER, MIN_KEPT_BYTES, 'second');
      expect(JSON.parse(next.saved[0] ?? '')).toEqual({ [at(OTHER, path)]: 'second' });
    }
  });

  test('are the newest sixteen', async () => {
    const { saved, sessions } = open();
    for (let number = 0; number < 20; number += 1) {
      await sessions.keep(digestFor(`blob ${number}`), MIN_KEPT_BYTES, `session ${number}`);
    }
    const kept = Object.values(JSON.parse(saved.at(-1) ?? '') as Record<string, string>);
    expect(kept).toEqual(Array.from({ length: 16 }, (_, position) => `session ${position + 4}`));
  });

  test('that are too long are not kept, and what cannot be read is passed over', async () => {
    const long = 'x'.repeat(20_000);
    const { saved, sessions } = open();
    await sessions.keep(ONE, MIN_KEPT_BYTES, long);
    expect(saved).toEqual([]);
    const many = Object.fromEntries(Array.from({ length: 30 }, (_, number) => [digestFor(`${number}`), 's']));
    const keyed = Object.fromEntries(Object.entries(many).map(([digest, session]) => [at(digest), session]));
    for (const stored of ['{', '"text"', '7', '[1]', JSON.stringify({ [at(ONE)]: 1, other: 's', [at(OTHER)]: long })]) {
      expect(open(stored).sessions.find(ONE)).toBe(undefined);
      expect(open(stored).sessions.find(OTHER)).toBe(undefined);
    }
    const read = open(JSON.stringify(keyed)).sessions;
    expect(Object.keys(many).filter((digest) => read.find(digest as typeof ONE) !== undefined)).toHaveLength(16);
  });
});
