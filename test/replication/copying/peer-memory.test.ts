import { describe, expect, test } from 'vitest';
import { PeerMemory } from '../../../src/replication/copying/peer-memory.ts';
import { digestFor } from '../support/scripted-peer.ts';

const LAYER = digestFor('layer');
const HOUR_MS = 3_600_000;

describe('what is remembered of a peer', () => {
  test('is which repositories have a blob, the latest first, and no more than a few', () => {
    const memory = new PeerMemory({ maxConnections: 1 });
    expect(memory.holdersOf(LAYER)).toEqual([]);
    for (const path of ['a', 'b', 'a']) memory.noteHolder(LAYER, path);
    expect(memory.holdersOf(LAYER)).toEqual(['a', 'b']);
    memory.forgetHolder(LAYER, 'a');
    expect(memory.holdersOf(LAYER)).toEqual(['b']);
    memory.forgetHolder(LAYER, 'b');
    expect(memory.holdersOf(LAYER)).toEqual([]);
    for (let number = 0; number < 20; number += 1) memory.noteHolder(LAYER, `r${number}`);
    expect(memory.holdersOf(LAYER)).toHaveLength(8);
    expect(memory.holdersOf(LAYER)[0]).toBe('r19');
  });

  test('is for an hour that it took no index without all its children', () => {
    let now = 0;
    const memory = new PeerMemory({ maxConnections: 1, now: () => now });
    expect(memory.isSparseRefused).toBe(false);
    memory.noteSparseRefused();
    now += HOUR_MS - 1;
    expect(memory.isSparseRefused).toBe(true);
    now += 1;
    expect(memory.isSparseRefused).toBe(false);
  });

  test('is for a while what kind of registry it is', async () => {
    let now = 0;
    const memory = new PeerMemory({ maxConnections: 1, now: () => now });
    let pings = 0;
    const peer = {
      ping: async () => {
        pings += 1;
        return { site: pings === 1 ? 'us-east' : undefined };
      },
    };
    const ask = () => memory.isEntrepot(peer, {});
    expect([await ask(), await ask()]).toEqual([true, true]);
    now += HOUR_MS;
    expect([await ask(), await ask()]).toEqual([false, false]);
    expect(pings).toBe(2);
  });

  test('is nothing when it could not be asked', async () => {
    const memory = new PeerMemory({ maxConnections: 1 });
    const failing = { ping: () => Promise.reject(new Error('down')) };
    await expect(memory.isEntrepot(failing, {})).rejects.toThrow('down');
    expect(await memory.isEntrepot({ ping: async () => ({ site: 'us-east' }) }, {})).toBe(true);
  });
});
