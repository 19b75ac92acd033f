import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { BlockedAccounts } from '../../src/registry/blocked-accounts.ts';
import type { UpstreamSite } from '../../src/registry/upstreams.ts';
import { silentLogger } from '../../src/telemetry/logger.ts';
import type { AccountBlock, AccountReport } from '../../src/upstream/upstream.ts';

type Told = Pick<AccountReport, 'username' | 'blockedForMs'>;

beforeEach(() => void vi.useFakeTimers({ now: 1_000_000 }));
afterEach(() => void vi.useRealTimers());

/** Notes that outlive the process. */
function openNotes() {
  const notes = new Map<string, string | undefined>();
  const writes: string[] = [];
  return {
    writes,
    readNote: async (key: string) => notes.get(key),
    writeNote: async (key: string, value: string | undefined) => {
      notes.set(key, value);
      writes.push(value ?? '');
    },
  };
}

/** A run with one upstream, whose accounts are blocked as the test says; `told` is what it was told at its start. */
function begin(index: ReturnType<typeof openNotes>, accounts: Told[] = []) {
  const told: AccountBlock[] = [];
  const report = () => ({ accounts });
  const upstream = { name: 'docker.io', report, leaveAlone: (again: AccountBlock[]) => void told.push(...again) };
  const all = [{ upstream }] as unknown as UpstreamSite[];
  const blocked = new BlockedAccounts({ index, upstreams: { all }, telemetry: { log: silentLogger() } });
  return { blocked, told };
}

test('a block that is told is known to the next run, even if this one is killed', async () => {
  const index = openNotes();
  const accounts = [
    { username: 'alice', blockedForMs: 60_000 },
    { username: undefined, blockedForMs: 0 },
  ];
  const { blocked } = begin(index, accounts);
  blocked.start();
  await vi.advanceTimersByTimeAsync(1_000);
  const next = begin(index);
  vi.setSystemTime(1_021_000);
  await next.blocked.restore();
  expect(next.told).toEqual([{ position: 0, username: 'alice', blockedForMs: 40_000 }]);
  await blocked[Symbol.asyncDispose]();
});

test('a block is written once, and so is what comes after it', async () => {
  const index = openNotes();
  const accounts: Told[] = [];
  const { blocked } = begin(index, accounts);
  blocked.start();
  for (const [blockedForMs, writes] of [
    [5_000, 1],
    [4_000, 1],
    [3_000, 1],
    [0, 1],
    [9_000, 2],
    [30_000, 3],
  ] as const) {
    accounts[0] = { username: undefined, blockedForMs };
    await vi.advanceTimersByTimeAsync(1_000);
    expect(index.writes).toHaveLength(writes);
  }
  accounts[0] = { username: undefined, blockedForMs: 60_000 };
  await blocked[Symbol.asyncDispose]();
  expect(index.writes).toHaveLength(4);
});

test('a clock that was set back, or a note that is damaged, blocks nobody', async () => {
  const index = openNotes();
  const { blocked } = begin(index, [{ username: 'alice', blockedForMs: 60_000 }]);
  blocked.start();
  await vi.advanceTimersByTimeAsync(1_000);
  await blocked[Symbol.asyncDispose]();
  const [note = ''] = index.writes;
  vi.setSystemTime(1_000);
  for (const text of [note, note.slice(1), 'null', '{}', '[null, {}]', note.replace('60000', '"x"')]) {
    await index.writeNote('upstreams.blocked', text);
    const next = begin(index);
    await next.blocked.restore();
    expect(next.told, text).toEqual([]);
  }
});

test('two accounts of the same name are two', async () => {
  const index = openNotes();
  const accounts = [60_000, 30_000].map((blockedForMs) => ({ username: '<token>', blockedForMs }));
  const { blocked } = begin(index, accounts);
  blocked.start();
  await vi.advanceTimersByTimeAsync(1_000);
  for (const account of accounts) account.blockedForMs -= 1_000;
  await vi.advanceTimersByTimeAsync(1_000);
  expect(index.writes).toHaveLength(1);
  const next = begin(index);
  await next.blocked.restore();
  expect(next.told.map(({ position, blockedForMs }) => [position, blockedForMs])).toEqual([
    [0, 59_000],
    [1, 29_000],
  ]);
  await blocked[Symbol.asyncDispose]();
});
