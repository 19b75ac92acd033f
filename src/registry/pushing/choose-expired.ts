import type { Root, TagTarget } from '../../metadata/metadata-index.ts';
import { parseDigest, type Digest } from '../../oci/digest.ts';
import { compileGlobs } from '../../oci/glob.ts';
import type { HostedRule, RetentionOptions } from './hosted-rules.ts';

/** An image without a tag may be a part of one whose push is under way. */
const MIN_UNTAGGED_MS = 3_600_000;
const UNTAGGED_MS = 24 * 3_600_000;
/** What is attached to a manifest may come before that. */
const ATTACHED_MS = 24 * 3_600_000;

/** Tags that belong to another manifest: cosign's, and those of the distribution-spec ("Referrers Tag Schema"). */
const ATTACHED = /^(sha256|sha512)-([0-9a-f]{64})(?:\.[a-z]+)?$/;

/** The digest that a tag is about, by its name, if it is about one; of a long digest its beginning. */
export function attachedTo(tag: string): string | undefined {
  const [, algorithm, hex] = ATTACHED.exec(tag) ?? [];
  return algorithm === undefined ? undefined : `${algorithm}:${hex}`;
}

/**
 * The tags of a repository that nothing keeps. Those that are attached to a manifest go with it, and are not among them.
 * @param tags all of the repository's
 */
export function chooseExpiredTags(
  tags: readonly TagTarget[],
  { retention, isImmutable }: Pick<HostedRule, 'retention' | 'isImmutable'>,
  nowMs: number,
): readonly TagTarget[] {
  if (!retention || !hasCriterion(retention)) return [];
  const { keepLast = 0, keepTags = [], keepPulledWithinMs = 0, keepYoungerThanMs = 0 } = retention;
  const isNamed = compileGlobs(keepTags);
  const own = tags.filter(({ tag }) => attachedTo(tag) === undefined);
  const newest = own.toSorted((one, other) => other.movedAtMs - one.movedAtMs || compare(one.tag, other.tag));
  const last = new Set(newest.slice(0, keepLast));
  return own.filter(
    (row) =>
      !isImmutable(row.tag) &&
      !last.has(row) &&
      !isNamed(row.tag) &&
      !isWithin(keepYoungerThanMs, row.movedAtMs, nowMs) &&
      !isWithin(keepPulledWithinMs, row.usedAtMs, nowMs),
  );
}

/** Is it a tag that goes when the manifest is gone that it is attached to? @returns that manifest's digest */
export function expiresWith(
  { tag, movedAtMs }: TagTarget,
  { retention, isImmutable }: Pick<HostedRule, 'retention' | 'isImmutable'>,
  nowMs: number,
): Digest | undefined {
  // Of a digest that was cut off nobody can tell whose it is.
  const subject = parseDigest(attachedTo(tag) ?? '');
  if (!subject || !retention || !hasCriterion(retention) || isWithin(ATTACHED_MS, movedAtMs, nowMs)) return undefined;
  return isImmutable(tag) || compileGlobs(retention.keepTags ?? [])(tag) ? undefined : subject;
}

/** Does an image without a tag, which is part of no other, go? */
export function isExpiredUntagged(
  root: Pick<Root, 'isManifest' | 'tags' | 'usedAtMs'>,
  { retention }: Pick<HostedRule, 'retention'>,
  nowMs: number,
): boolean {
  if (!retention || !hasCriterion(retention) || !root.isManifest || root.tags.length > 0) return false;
  const { keepYoungerThanMs = UNTAGGED_MS, keepPulledWithinMs = 0 } = retention;
  return !isWithin(Math.max(keepYoungerThanMs, keepPulledWithinMs, MIN_UNTAGGED_MS), root.usedAtMs, nowMs);
}

/** A rule that names nothing to keep is no order to remove everything. */
function hasCriterion(retention: RetentionOptions): boolean {
  return Object.values(retention).some((value) => value !== undefined);
}

function isWithin(spanMs: number, atMs: number | undefined, nowMs: number): boolean {
  return atMs !== undefined && nowMs - atMs < spanMs;
}

function compare(one: string, other: string): number {
  return one < other ? -1 : 1;
}
