import pino from 'pino';
import { describe, expect, test } from 'vitest';
import { CheckSchedule, type CheckScheduleOptions } from '../../../src/replication/comparing/anti-entropy.ts';
import { check } from '../../../src/replication/comparing/check.ts';
import type { Link } from '../../../src/replication/comparing/link.ts';
import { Metrics } from '../../../src/telemetry/metrics.ts';
import { Telemetry } from '../../../src/telemetry/telemetry.ts';
import { digestFor, ScriptedPeer } from '../support/scripted-peer.ts';
import { APP, jobsOf, openSite, ruleWith, type Site } from '../support/site.ts';

const FOREVER = new AbortController().signal;
const EVERY_SECOND = '* * * * * *';
const TIMEOUT = { timeout: 10_000 };

interface Watched {
  readonly telemetry: Telemetry;
  readonly lines: { readonly msg: string }[];
  /** Values of the metrics of checks by name and labels, without that of the site. */
  metrics(): Promise<string[]>;
}

function watch(): Watched {
  const lines: { msg: string }[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => lines.push(JSON.parse(line) as { msg: string }) });
  const telemetry = new Telemetry(log, new Metrics('eu-west'));
  return {
    telemetry,
    lines,
    metrics: async () => {
      const text = await telemetry.metrics.registry.metrics();
      const values = text.split('\n').filter((line) => line.startsWith('entrepot_replication_check'));
      return values.map((line) => line.replace(/,?site="eu-west"/, ''));
    },
  };
}

/** Parks or holds all jobs that are due. */
async function setAside({ index }: Site, state: 'parked' | 'held'): Promise<void> {
  const nowMs = Date.now();
  const jobs = await index.leaseJobs({ peer: 'us-east', except: [], nowMs, untilMs: nowMs + 60_000, limit: 100 });
  for (const { id } of jobs) {
    await index.returnJob(id, { state, dueAtMs: nowMs, attempts: 5, reason: 'refused' }, undefined);
  }
}

describe('a check', () => {
  test('makes jobs for what is missing, different or should be deleted at the peer, not for what is extra', async () => {
    await using site = await openSite();
    const peer = new ScriptedPeer();
    for (const tag of ['same', 'missing', 'moved', 'deleted']) await site.add({ name: tag });
    await site.untag('deleted');
    for (const tag of ['same', 'extra', 'deleted']) peer.put(APP, tag, digestFor(tag));
    peer.put(APP, 'moved', digestFor('older'));
    const rule = ruleWith({ deletes: true, tags: ['same', 'missing', 'moved', 'deleted', 'extra'] });
    expect(await check(site, { rule, peer }, FOREVER)).toEqual({ compared: 3, differences: 3, retried: 0 });
    expect(await jobsOf(site.index)).toEqual([`-${APP} deleted`, `${APP} missing`, `${APP} moved`]);
    const jobs = await site.index.listJobs({ limit: 10 });
    expect(jobs.find(({ reference }) => reference === 'missing')).toMatchObject({ sizeBytes: 1010, sequence: 0 });
    expect(peer.asked.filter((question) => question.startsWith('tags'))).toEqual([]);
  });

  test('leaves a tag that was deleted here and set anew at the peer', async () => {
    await using site = await openSite();
    const peer = new ScriptedPeer();
    await site.add({ name: 'v1' });
    await site.untag('v1');
    peer.put(APP, 'v1', digestFor('set anew'));
    const rule = ruleWith({ deletes: true, tags: ['v*'] });
    expect(await check(site, { rule, peer }, FOREVER)).toMatchObject({ differences: 0 });
  });

  test('tries again what was parked or held', async () => {
    await using site = await openSite();
    const link = { rule: ruleWith(), peer: new ScriptedPeer() };
    for (const state of ['parked', 'held'] as const) {
      const digest = await site.add({ name: state });
      await check(site, link, FOREVER);
      await setAside(site, state);
      link.peer.put(APP, state, digest);
      expect(await check(site, link, FOREVER)).toMatchObject({ differences: 0, retried: 1 });
      expect(await site.index.listJobs({ state: 'pending', limit: 10 })).toMatchObject([{ reference: state }]);
      await site.index.pruneJobs([]);
    }
  });

  test('leaves what it found until the peer failed', async () => {
    await using site = await openSite();
    const peer = new ScriptedPeer();
    await site.add({ name: 'v1', repository: 'local/a' });
    await site.add({ name: 'v1', repository: 'local/b' });
    peer.before = (question) => {
      if (question.includes('local/b')) throw new Error('out of order');
    };
    await expect(check(site, { rule: ruleWith(), peer }, FOREVER)).rejects.toThrow('out of order');
    expect(await jobsOf(site.index)).toEqual(['local/a v1']);
  });
});

describe('the schedule of checks', () => {
  function schedule(site: Site, links: readonly Link[], options: Partial<CheckScheduleOptions> = {}) {
    const watched = watch();
    const checks = new CheckSchedule({ here: site, links, telemetry: watched.telemetry, ...options });
    return { ...watched, [Symbol.asyncDispose]: () => checks[Symbol.asyncDispose]() };
  }

  test('repairs what differs when its time has come, counts it and tells the workers', async () => {
    await using site = await openSite();
    const link = { rule: ruleWith({ check: EVERY_SECOND }), peer: new ScriptedPeer() };
    const digest = await site.add({ name: 'v1' });
    const woken: string[] = [];
    await using checks = schedule(site, [link], { onJobs: ({ peer }) => woken.push(peer.name) });
    await expect.poll(() => woken, TIMEOUT).toContain('us-east');
    expect(await jobsOf(site.index)).toEqual([`${APP} v1`]);
    expect(await checks.metrics()).toEqual([
      'entrepot_replication_check_differences{rule="all",peer="us-east"} 1',
      expect.stringMatching(/^entrepot_replication_check_timestamp_seconds\{rule="all",peer="us-east"\} \d{10}/),
    ]);
    expect(checks.lines).toMatchObject([
      { level: 40, rule: 'all', peer: 'us-east', compared: 1, differences: 1, retried: 0 },
    ]);
    link.peer.put(APP, 'v1', digest);
    await expect.poll(async () => (await checks.metrics())[0], TIMEOUT).toMatch(/ 0$/);
    expect(checks.lines.at(-1)).toMatchObject({ level: 30, differences: 0 });
  });

  test('tells of a peer that fails, and comes again', async () => {
    await using site = await openSite();
    const peer = new ScriptedPeer();
    peer.fail();
    await site.add({ name: 'v1' });
    await using checks = schedule(site, [{ rule: ruleWith({ check: EVERY_SECOND }), peer }]);
    await expect.poll(() => checks.lines, TIMEOUT).toMatchObject([{ level: 50, code: 'UNAVAILABLE' }]);
    expect(await checks.metrics()).toEqual([]);
    peer.before = () => undefined;
    await expect.poll(() => jobsOf(site.index), TIMEOUT).toEqual([`${APP} v1`]);
  });

  test('leaves links alone that have no times, or are not at work', async () => {
    await using site = await openSite();
    const [never, paused, ready] = ['never', 'paused', 'ready'].map((name) => new ScriptedPeer(name));
    if (!never || !paused || !ready) throw new Error('no peers');
    await site.add({ name: 'v1' });
    const rule = ruleWith({ check: EVERY_SECOND });
    const links = [
      { rule: ruleWith(), peer: never },
      { rule, peer: paused },
      { rule, peer: ready },
    ];
    await using checks = schedule(site, links, { mayCheck: ({ peer }) => peer !== paused });
    await expect.poll(() => checks.lines.length, TIMEOUT).toBeGreaterThan(1);
    expect([never.asked, paused.asked]).toEqual([[], []]);
    expect(ready.asked.length).toBeGreaterThan(1);
  });

  test('checks a link that is not at work when its time comes as soon as it is', async () => {
    await using site = await openSite();
    const peer = new ScriptedPeer();
    await site.add({ name: 'v1' });
    let [isOpen, looks] = [false, 0];
    const mayCheck = () => {
      looks += 1;
      return isOpen;
    };
    const everyMinute = `${(new Date().getSeconds() + 2) % 60} * * * * *`;
    const link = { rule: ruleWith({ check: everyMinute }), peer };
    await using _checks = schedule(site, [link], { mayCheck, lookMs: 5 });
    await expect.poll(() => looks, TIMEOUT).toBeGreaterThan(2);
    isOpen = true;
    await expect.poll(() => jobsOf(site.index), TIMEOUT).toEqual([`${APP} v1`]);
  });

  test('does not begin a check before the one before it has ended, and breaks it off at the end', async () => {
    await using site = await openSite();
    const peer = new ScriptedPeer();
    await site.add({ name: 'v1' });
    peer.before = (_, signal) => new Promise((_resolve, reject) => signal?.addEventListener('abort', reject));
    const other = new ScriptedPeer('eu-north');
    const rule = ruleWith({ check: EVERY_SECOND });
    const checks = schedule(
      site,
      [peer, other].map((one) => ({ rule, peer: one })),
    );
    await expect.poll(() => other.asked.length, TIMEOUT).toBeGreaterThan(2);
    expect(peer.asked).toHaveLength(1);
    await checks[Symbol.asyncDispose]();
    expect(checks.lines.filter(({ msg }) => msg === 'peer could not be compared')).toEqual([]);
  });
});
