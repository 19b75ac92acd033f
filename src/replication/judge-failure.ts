import { MetadataError } from '../metadata/metadata-error.ts';
import { RegistryError } from '../registry/registry-error.ts';
import { UpstreamError } from '../upstream/upstream-error.ts';
import { CodedError } from '../util/coded-error.ts';

/**
 * Whose fault it is that a job failed.
 * - `peer` the peer cannot be used at the moment, for this or for anything
 * - `full` it has no room for this, or will take it only later
 * - `refused` it will not have this, or something is wrong that only people can put right
 * - `missing` a part of it is not here
 * - `ours` our own disk or index, or a job that stood still
 */
export type FailureKind = 'peer' | 'full' | 'refused' | 'missing' | 'ours';

/** How a job that failed goes on. `counts`: is it a try that the job has less? */
export type Verdict =
  | {
      readonly kind: 'retry';
      readonly state: 'pending' | 'waiting';
      readonly delayMs: number;
      readonly counts: boolean;
    }
  | { readonly kind: 'parked' | 'incomplete' };

/** A job that stood still was broken off. */
export class StalledError extends CodedError {
  constructor(quietMs: number) {
    super('STALLED', `nothing was sent or answered for ${Math.round(quietMs / 1000)} seconds`);
  }
}

/** A part of what was to be sent is not here. */
export class MissingError extends CodedError {
  constructor(missing: string | undefined) {
    super('MISSING', missing === undefined ? 'a part of it is not here' : `not here: ${missing}`);
  }
}

const PEER_CODES = new Set(['UNREACHABLE', 'TIMEOUT', 'UNAVAILABLE', 'RATE_LIMITED', 'CREDENTIALS_REFUSED']);
/** 413 is what registries answer that have a quota, 507 is of RFC 4918 11.5. */
const FULL_STATUSES = new Set([413, 507]);
/** Harbor says 403 or 412 with such a sentence. */
const FULL = /quota|insufficient storage|no space left|exceed\w* the configured/i;
/** A registry that collects garbage (Harbor), and a site whose clock is behind the one that a change was made by. */
const LATER = /read[ -]only mode|the clock of \S+ is ahead/i;

/** Trying again does not make it better. */
const LASTING = new Set(['NAME_UNKNOWN', 'MANIFEST_INVALID', 'DIGEST_INVALID', 'SIZE_INVALID', 'MANIFEST_TOO_LARGE']);

const FIRST_DELAY_MS = 1000;
const MAX_PEER_DELAY_MS = 60_000;
const MAX_DELAY_MS = 300_000;
/** Tries a job has that a peer refuses: for a minute and a half. */
const REFUSED_TRIES = 5;
/** Tries a job has whose content is not here: for about an hour. */
const MISSING_TRIES = 20;

/** @param peer the configured name */
export function kindOfFailure(error: unknown, peer: string): FailureKind {
  if (error instanceof MissingError) return 'missing';
  if (error instanceof StalledError || error instanceof MetadataError) return 'ours';
  if (error instanceof RegistryError) return kindOfRegistryError(error);
  if (!(error instanceof UpstreamError)) return 'refused';
  // What is missing here was asked for elsewhere, and could not be had.
  if (error.upstream !== peer) return 'missing';
  // Some say 413 for a manifest that is larger than they take.
  if (FULL_STATUSES.has(error.status ?? 0)) return LASTING.has(error.reason ?? '') ? 'refused' : 'full';
  if (PEER_CODES.has(error.code)) return 'peer';
  return FULL.test(error.message) || LATER.test(error.message) ? 'full' : 'refused';
}

/**
 * What becomes of a job after a try.
 * @param tries how many failed in this way, one after the other, this one included
 * @param chance 0 to 1: what is left to chance, so that many do not come back at once
 */
export function judgeFailure(kind: FailureKind, tries: number, chance: number): Verdict {
  if (kind === 'refused' && tries >= REFUSED_TRIES) return { kind: 'parked' };
  if (kind === 'missing' && tries >= MISSING_TRIES) return { kind: 'incomplete' };
  const grownMs = FIRST_DELAY_MS * (kind === 'refused' ? 4 : 2) ** (tries - 1);
  const delayMs = Math.min(grownMs, kind === 'peer' ? MAX_PEER_DELAY_MS : MAX_DELAY_MS);
  return {
    kind: 'retry',
    state: kind === 'missing' ? 'waiting' : 'pending',
    delayMs: Math.round(delayMs * (0.75 + chance / 2)),
    counts: kind !== 'peer',
  };
}

function kindOfRegistryError({ code }: RegistryError): FailureKind {
  if (code === 'STORE_FAILED') return 'ours';
  return LASTING.has(code) ? 'refused' : 'missing';
}
