import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Origin } from '../../src/metadata/event-index.ts';
import type { MetadataIndex } from '../../src/metadata/metadata-index.ts';
import type { Digest } from '../../src/oci/digest.ts';
import type { IndexUnderTest } from './metadata-index-conformance.ts';
import { digest, manifest } from './support/rows.ts';

const APP = 'local/app';
const NAMES = ['m', 'n', 'o'];
const TAGS = ['v1', 'v2'];
const SITES = ['asia', 'eu', 'us'];
const NOW_MS = 1_764_000_000_000;

/** One site with its index, and how far its clock is off. */
interface Site {
  readonly name: string;
  readonly index: MetadataIndex;
  readonly skewMs: number;
}

/** A change of a tag on its way to other sites. */
interface Message {
  readonly tag: string;
  /** Undefined: it was deleted. */
  readonly digest: Digest | undefined;
  readonly origin: Origin;
}

const site = fc.nat(SITES.length - 1);
const tag = fc.constantFrom(...TAGS);
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ act: fc.constant('push' as const), site, tag, name: fc.constantFrom(...NAMES) }),
  },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('delete' as const), site, tag }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('deleteManifest' as const), site, tag }) },
  { weight: 5, arbitrary: fc.record({ act: fc.constant('deliver' as const), site, message: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('wait' as const), ms: fc.nat(20) }) },
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

/** What every index does (src/metadata/replication-index.ts) so that sites that tell each other of all changes agree. */
export function describeSites(title: string, openIndex: (site: string) => Promise<IndexUnderTest>): void {
  describe(`${title}, one at each of several sites,`, () => {
    beforeEach(() => {
      vi.useFakeTimers({ toFake: ['Date'] });
    });
    afterEach(() => {
      vi.useRealTimers();
    });

    test.each([2, 3])(
      'ends equal at %i sites, in whatever order and how often changes arrive, and comes to rest',
      {
        timeout: 60_000,
      },
      async (count) => {
        await fc.assert(
          fc.asyncProperty(
            fc.array(step, { maxLength: 40, size: 'max' }),
            fc.array(fc.integer({ min: -30, max: 30 }), { minLength: count, maxLength: count }),
            async (steps, skews) => {
              await using opened = new AsyncDisposableStack();
              const sites: Site[] = [];
              for (const [position, name] of SITES.slice(0, count).entries()) {
                const { index } = opened.use(await openIndex(name));
                sites.push({ name, index, skewMs: skews[position] ?? 0 });
              }
              const messages = await play(sites, steps);
              await exchange(sites);
              const [first, ...others] = await Promise.all(sites.map(stateOf));
              for (const other of others) expect(other).toEqual(first);
              // What comes late is stored, and moves nothing; once it is there, nothing more happens.
              const deliverAll = async () => {
                for (const message of messages) for (const each of sites) await deliver(message, each);
              };
              await deliverAll();
              const before = await Promise.all(sites.map(({ index }) => index.lastEvent()));
              await exchange(sites);
              await deliverAll();
              expect(await Promise.all(sites.map(stateOf))).toEqual(sites.map(() => first));
              expect(await Promise.all(sites.map(({ index }) => index.lastEvent()))).toEqual(before);
            },
          ),
          { numRuns: 15 },
        );
      },
    );
  });
}

/** @returns what the sites told of their changes */
async function play(sites: readonly Site[], steps: readonly Step[]): Promise<Message[]> {
  const messages: Message[] = [];
  let nowMs = NOW_MS;
  for (const one of steps) {
    if (one.act === 'wait') {
      nowMs += one.ms;
      continue;
    }
    const where = sites[one.site % sites.length];
    if (!where) continue;
    vi.setSystemTime(nowMs + where.skewMs);
    if (one.act === 'deliver') {
      const message = messages[one.message % Math.max(1, messages.length)];
      if (message) await deliver(message, where);
      continue;
    }
    await change(where, one);
    messages.push(...(await tell(where)).filter((message) => message.tag === one.tag));
  }
  return messages;
}

async function change(
  { name, index }: Site,
  one: Extract<Step, { act: 'push' | 'delete' | 'deleteManifest' }>,
): Promise<void> {
  const cause = { actor: name };
  if (one.act === 'push') await index.pushManifest(manifest(one.name, { repository: APP, tags: [one.tag] }), [], cause);
  else if (one.act === 'delete') await index.deleteTag(APP, one.tag, cause);
  else {
    const target = await index.findTag(APP, one.tag);
    if (target) await index.deleteManifest(APP, target.digest, cause);
  }
}

/** Sends what is so at each site to all others. */
async function exchange(sites: readonly Site[]): Promise<void> {
  for (const from of sites) {
    for (const to of sites) {
      if (to === from) continue;
      for (const message of await tell(from)) await deliver(message, to);
    }
  }
}

/** The last change of each tag, as the site knows it. */
async function tell({ index }: Site): Promise<Message[]> {
  const messages: Message[] = [];
  for (const each of TAGS) {
    const state = await index.findTagState(APP, each);
    const last = state ?? (await index.findTombstone(APP, each));
    if (!last) continue;
    const { site: made, sequence, clock, base } = last;
    messages.push({ tag: each, digest: state?.digest, origin: { site: made, sequence, clock, ...(base && { base }) } });
  }
  return messages;
}

async function deliver({ tag: about, digest: target, origin }: Message, { index }: Site): Promise<void> {
  const cause = { actor: 'peer', origin };
  if (target === undefined) {
    await index.deleteTag(APP, about, cause);
    return;
  }
  const name = NAMES.find((each) => digest(each) === target) ?? '';
  const { kept } = await index.pushManifest(manifest(name, { repository: APP, tags: [about] }), [], cause);
  const found = (await index.findTag(APP, about))?.digest;
  expect(kept).toEqual(found === target ? [] : [{ tag: about, digest: found }]);
}

/** All that has to be equal at the end. Of a tag that was never there a site may not know that it was deleted. */
async function stateOf({ index }: Site): Promise<unknown> {
  const tags = await index.listTagRows({ repository: APP, limit: 9 });
  const states = await Promise.all(TAGS.map((each) => index.findTagState(APP, each)));
  return { tags: tags.map(({ tag: each, digest: target }) => [each, target]), states };
}
