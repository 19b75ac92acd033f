import type { IncomingMessage } from 'node:http';
import { parseDigest } from '../oci/digest.ts';
import type { Kept } from '../registry/pushing/deletion.ts';
import type { ManifestPush } from '../registry/pushing/manifest-pushes.ts';
import {
  formatOrigin,
  KEPT_DELETED,
  KEPT_HEADER,
  ORIGIN_EXAMPLE,
  ORIGIN_HEADER,
  parseOrigin,
  type ReplicationHeader,
} from '../util/replication-header.ts';
import type { Answer } from './answer.ts';

type Origin = NonNullable<ManifestPush['cause']['origin']>;

/** The change of another site that a request repeats, or what is wrong with how the request says it. */
export type OriginVerdict =
  | { readonly origin: Origin; readonly problem?: undefined }
  | { readonly origin: undefined; readonly problem: string };

/** A change is later than all that was seen before: one from the future would win for as long as that lasts. */
const MAX_AHEAD_MS = 5 * 60_000;
const HEADER = ORIGIN_HEADER.toLowerCase();

/** Does the request repeat a change of another site? */
export function isReplicated({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  return headers[HEADER] !== undefined;
}

/** Reads `Entrepot-Origin`; undefined: there is none. */
export function originOf({ headers }: Pick<IncomingMessage, 'headers'>, nowMs: number): OriginVerdict | undefined {
  const text = headers[HEADER];
  if (text === undefined) return undefined;
  const header = typeof text === 'string' ? parseOrigin(text) : undefined;
  const base = parseDigest(header?.base ?? '');
  if (!header || (header.base !== undefined && base === undefined)) {
    return { origin: undefined, problem: `${ORIGIN_HEADER} is not understood; it looks like this: ${ORIGIN_EXAMPLE}` };
  }
  if (header.clock.ms > nowMs + MAX_AHEAD_MS) return { origin: undefined, problem: aheadOf(header, nowMs) };
  const { site, sequence, clock } = header;
  return { origin: { site, sequence, clock, ...(base !== undefined && { base }) } };
}

/** The site that a replicated change comes from, for the audit log; undefined if the request does not say. */
export function originSiteOf({ headers }: Pick<IncomingMessage, 'headers'>): string | undefined {
  const text = headers[HEADER];
  return typeof text === 'string' ? parseOrigin(text)?.site : undefined;
}

/** Tells who replicates by which change a tag was set. */
export function originHeaders(change: ReplicationHeader): Answer['headers'] {
  return { [ORIGIN_HEADER]: formatOrigin(change) };
}

/** Tells who replicates that the tag, or the manifest, that it is about stayed as it was. */
export function keptHeaders(kept: Kept | undefined): Answer['headers'] {
  return kept ? { [KEPT_HEADER]: kept.digest ?? KEPT_DELETED } : {};
}

function aheadOf({ site, clock }: ReplicationHeader, nowMs: number): string {
  const [theirs, ours] = [new Date(clock.ms).toISOString(), new Date(nowMs).toISOString()];
  return `the clock of ${site} is ahead: the change is of ${theirs}, and here it is ${ours}; set the clocks right`;
}
