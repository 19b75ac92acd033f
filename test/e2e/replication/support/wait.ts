import { setTimeout as sleep } from 'node:timers/promises';
import type { LinkStatus } from '../../../../src/replication/replication-operations.ts';
import { send } from '../../../conformance/support/send.ts';
import type { Site } from './site.ts';

const POLL_MS = 50;

interface WaitOptions {
  /** After that it is an error. */
  readonly timeoutMs?: number;
  /** How often it is looked at. */
  readonly pollMs?: number;
  /** What the error tells. */
  readonly explain?: () => Promise<unknown>;
}

/** Waits for a condition. @param what it is about, for the error that tells that it did not come */
export async function until(
  what: string,
  isTrue: () => boolean | Promise<boolean>,
  { timeoutMs = 60_000, pollMs = POLL_MS, explain }: WaitOptions = {},
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await isTrue())) {
    if (Date.now() > deadline) {
      const why = explain ? JSON.stringify(await explain(), undefined, 1) : '';
      throw new Error(`did not come within ${timeoutMs} ms: ${what}\n${why}`);
    }
    await sleep(pollMs);
  }
}

/** The digest of a tag at a site, of what is stored there; undefined if it is not. */
export async function digestAt(site: Site, repository: string, tag: string): Promise<string | undefined> {
  const { status, headers } = await send(site.client(repository, 'peer'), 'HEAD', `manifests/${tag}`);
  if (status !== 200) return undefined;
  const digest = headers['docker-content-digest'];
  return typeof digest === 'string' ? digest : undefined;
}

/** Waits until a site has a tag, pointing at that digest. */
export function arrival(
  site: Site,
  repository: string,
  tag: string,
  digest: string,
  timeoutMs?: number,
): Promise<void> {
  const isThere = async () => (await digestAt(site, repository, tag)) === digest;
  return until(`${repository}:${tag} at ${site.name}`, isThere, timeoutMs === undefined ? {} : { timeoutMs });
}

/** Waits until nothing is left to do for any of a site's rules and peers. */
export function rest(site: Site, timeoutMs = 60_000): Promise<void> {
  const isAtRest = async () => (await site.replication()).links.every(isIdle);
  return until(`${site.name} is at rest`, isAtRest, { timeoutMs, explain: () => site.replication() });
}

function isIdle({ lagSeconds, jobs }: LinkStatus): boolean {
  return lagSeconds === 0 && Object.values(jobs).every((count) => count === 0);
}
