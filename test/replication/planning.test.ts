import { describe, expect, test } from 'vitest';
import type { RegistryEvent } from '../../src/metadata/event-index.ts';
import { scopeOf } from '../../src/replication/comparing/rule-scope.ts';
import { planJobs } from '../../src/replication/planning.ts';
import type { ReplicationRule } from '../../src/replication/rule.ts';
import { digestFor } from './support/scripted-peer.ts';
import { ruleWith } from './support/site.ts';

const D = digestFor('image');
const OTHER = digestFor('other');

type Draft = Partial<RegistryEvent> & Pick<RegistryEvent, 'kind'>;

/** Events one after the other, a second apart unless they say otherwise. */
function log(...drafts: readonly Draft[]): RegistryEvent[] {
  return drafts.map((draft, position) => event(draft, position + 1));
}

function event(draft: Draft, sequence: number): RegistryEvent {
  const nothing = {
    tag: undefined,
    mediaType: undefined,
    sizeBytes: undefined,
    previous: undefined,
    origin: undefined,
  };
  const about = { repository: 'local/app', digest: D, actor: 'alice' };
  return { sequence, atMs: sequence * 1000, ...nothing, ...about, ...draft };
}

function plan(events: readonly RegistryEvent[], rule: Partial<ReplicationRule> = {}) {
  const scope = scopeOf(ruleWith(rule));
  return planJobs(events, { scope, peer: 'us-east', sites: new Set(['us-east', 'ohio']) });
}

/** What is planned, as `reference`, `-reference` of a deletion; digests by the names of what they stand for. */
function briefly(events: readonly RegistryEvent[], rule: Partial<ReplicationRule> = {}): string[] {
  const names = new Map<string, string>([
    [D, 'D'],
    [OTHER, 'OTHER'],
  ]);
  return plan(events, rule).map(
    ({ job }) => `${job.deleted === undefined ? '' : '-'}${names.get(job.reference) ?? job.reference}`,
  );
}

const push = (tag?: string, changes: Partial<RegistryEvent> = {}): Draft => ({ kind: 'push', tag, ...changes });
const tag = (name: string, changes: Partial<RegistryEvent> = {}): Draft => ({ kind: 'tag', tag: name, ...changes });
const untag = (name: string, changes: Partial<RegistryEvent> = {}): Draft => ({ kind: 'untag', tag: name, ...changes });
const COSIGN = `sha256-${'a'.repeat(64)}.sig`;

describe('a job', () => {
  test('names what it is about, and since when', () => {
    const [planned] = plan(log(push('v1', { sequence: 7, atMs: 500 })), { priority: 3 });
    expect(planned).toEqual({
      digest: D,
      job: {
        rule: 'all',
        peer: 'us-east',
        repository: 'local/app',
        reference: 'v1',
        sequence: 7,
        sinceMs: 500,
        priority: 3,
        dueAtMs: 500,
      },
    });
  });

  test('waits a little if it is about a manifest without a tag', () => {
    expect(plan(log(push(undefined, { atMs: 500 })))[0]?.job).toMatchObject({ reference: D, dueAtMs: 2500 });
  });

  test('of a deletion waits for its time of grace', () => {
    const [planned] = plan(log(untag('v1', { atMs: 500 })), { deletes: true, graceMs: 60_000 });
    expect(planned?.job).toMatchObject({ reference: 'v1', deleted: D, dueAtMs: 60_500, sinceMs: 500 });
  });

  test('of a deletion waits a little longer for what went with something else', () => {
    const planned = plan(log({ kind: 'delete', atMs: 5 }, { kind: 'delete', digest: OTHER, atMs: 5 }), {
      deletes: true,
    });
    expect(planned.map(({ job }) => job.dueAtMs)).toEqual([5, 2005]);
  });

  test('takes over since when an earlier one is waited for', () => {
    const [planned, ...rest] = plan(log(push('v1'), push('v1', { digest: OTHER })));
    expect(planned).toMatchObject({ digest: OTHER, job: { sinceMs: 1000, dueAtMs: 1000, sequence: 2 } });
    expect(rest).toEqual([]);
  });

  test('of a deletion does not hurry for the copy that it replaces', () => {
    const [planned] = plan(log(push('v1'), untag('v1')), { deletes: true, graceMs: 60_000 });
    expect(planned?.job).toMatchObject({ deleted: D, dueAtMs: 62_000, sinceMs: 2000 });
  });
});

describe('what events ask for', () => {
  test.each<[string, readonly Draft[], readonly string[], Partial<ReplicationRule>]>([
    ['a push by tag', [push('v1')], ['v1'], {}],
    ['a push and the tags that it moved', [push('v1', { atMs: 1 }), tag('v1', { atMs: 1 })], ['v1'], {}],
    ['several tags', [push('v1', { atMs: 1 }), tag('v1', { atMs: 1 }), tag('v2', { atMs: 1 })], ['v1', 'v2'], {}],
    ['a fill by digest', [{ kind: 'fill' }], ['D'], {}],
    ['a fill and its tag later', [{ kind: 'fill' }, tag('v1')], ['v1'], {}],
    ['a tag that moved', [tag('v1', { previous: OTHER })], ['v1'], {}],
    ['a blob', [{ kind: 'blob' }], [], {}],
    ['another repository', [push('v1', { repository: 'other/app' })], [], {}],
    ['a tag that the rule takes', [push('v1')], ['v1'], { tags: ['v*'] }],
    // It may refer to something that the rule takes.
    ['a tag that the rule leaves out', [push('w1')], ['D'], { tags: ['v*'] }],
    ['the move of a tag that the rule leaves out', [tag('w1')], [], { tags: ['v*'] }],
    [
      'one of two tags',
      [push('v1', { atMs: 1 }), tag('v1', { atMs: 1 }), tag('w', { atMs: 1 })],
      ['v1'],
      { tags: ['v*'] },
    ],
    ['a signature by cosign', [push(COSIGN)], [COSIGN], { tags: ['v*'] }],
    ['what came from the peer', [push('v1', { origin: { site: 'us-east', sequence: 3 } })], [], {}],
    ['what came from it by its own name', [push('v1', { origin: { site: 'ohio', sequence: 3 } })], [], {}],
    ['what came from a third site', [push('v1', { origin: { site: 'asia', sequence: 3 } })], ['v1'], {}],
  ])('%s', (_, events, jobs, rule) => {
    expect(briefly(log(...events), rule)).toEqual(jobs);
  });

  test.each<[string, readonly Draft[], readonly string[], Partial<ReplicationRule>]>([
    ['of a tag', [untag('v1')], ['-v1'], {}],
    ['of a manifest', [{ kind: 'delete' }], ['-D'], {}],
    ['that came from the peer', [untag('v1', { origin: { site: 'us-east', sequence: 3 } })], [], {}],
    ['of a tag that was set anew', [untag('v1'), tag('v1', { digest: OTHER })], ['v1'], {}],
    ['of a tag that was set before', [tag('v1'), untag('v1')], ['-v1'], {}],
    ['of a manifest that is back', [{ kind: 'delete' }, push()], ['D'], {}],
    ['of a tag that the rule leaves out', [untag('w1')], [], { tags: ['v*'] }],
    ['of a manifest without a tag of the rule', [untag('w1'), { kind: 'delete' }], [], { tags: ['v*'] }],
    ['of a manifest with a tag of the rule', [untag('v1'), { kind: 'delete' }], ['-v1', '-D'], { tags: ['v*'] }],
    [
      'of what went with a manifest',
      [untag('v1'), { kind: 'delete', atMs: 5 }, { kind: 'delete', digest: OTHER, atMs: 5 }],
      ['-v1', '-D', '-OTHER'],
      { tags: ['v*'] },
    ],
    [
      'of another manifest afterwards',
      [untag('v1'), { kind: 'delete', atMs: 5 }, { kind: 'delete', digest: OTHER, atMs: 6 }],
      ['-v1', '-D'],
      { tags: ['v*'] },
    ],
  ])('a deletion %s', (_, events, jobs, rule) => {
    expect(briefly(log(...events), { deletes: true, ...rule })).toEqual(jobs);
    expect(briefly(log(...events), rule).filter((job) => job.startsWith('-'))).toEqual([]);
  });
});
