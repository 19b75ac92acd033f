import type { Digest } from '../../oci/digest.ts';
import { isReferrersTag, subjectOfTag } from '../copying/attached-tags.ts';
import type { Difference } from '../replication-operations.ts';
import { mapAtOnce } from './at-once.ts';
import { attachedIn } from './attached.ts';
import type { Here } from './here.ts';
import type { Link } from './link.ts';
import { digestThere, isManifestThere, type Place } from './look-at-peer.ts';
import { referencesIn, type LocalReference } from './references.ts';
import type { RuleScope } from './rule-scope.ts';

/** Some references of one repository, compared. */
export interface ComparedPage {
  readonly compared: number;
  readonly differences: readonly Difference[];
}

/** Both sides of a link. */
export interface Sides {
  readonly here: Here;
  readonly link: Link;
  /** Of the link's rule. */
  readonly scope: RuleScope;
}

/** One repository on both sides. */
export interface Pair extends Sides {
  readonly repository: string;
}

/**
 * Looks at the peer for all that the rule is about in one repository here, and for what goes with it.
 * @throws UpstreamError, MetadataError; the signal's reason
 */
export async function* compareRepository(pair: Pair, signal: AbortSignal): AsyncGenerator<ComparedPage, void> {
  const { here, scope, repository } = pair;
  const seen = new Set<Digest>();
  for await (const references of referencesIn(here, scope, repository)) {
    yield await comparePage(pair, references, signal);
    for await (const attached of attachedIn(here, scope, { references, seen })) {
      yield await comparePage(pair, attached, signal);
    }
  }
}

async function comparePage(
  pair: Pair,
  references: readonly LocalReference[],
  signal: AbortSignal,
): Promise<ComparedPage> {
  const found = await mapAtOnce(references, signal, (reference, either) => compare(pair, reference, either));
  return { compared: references.length, differences: found.filter((difference) => difference !== undefined) };
}

async function compare(pair: Pair, reference: LocalReference, signal: AbortSignal): Promise<Difference | undefined> {
  const { link, repository } = pair;
  const there = await digestThere(link, placeOf(pair, reference), signal);
  if (await isSame(pair, reference, there, signal)) return undefined;
  // It may have moved, or gone, while the peer was asked.
  const here = await digestHere(pair, reference);
  if (here === undefined || here === there) return undefined;
  if (there === undefined && (await isOrphan(pair, reference, signal))) return undefined;
  const about = { rule: link.rule.name, peer: link.peer.name, repository, tag: reference.reference, here };
  return there === undefined ? { ...about, kind: 'missing' } : { ...about, kind: 'different', there };
}

async function isSame(
  pair: Pair,
  local: LocalReference,
  there: Digest | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  const { reference, digest } = local;
  if (there === undefined || there === digest) return there === digest;
  // Each registry keeps its own list; what is in it is compared by itself.
  if (isReferrersTag(reference)) return true;
  return isManifestThere(pair.link, { place: placeOf(pair, local), there, digest }, signal);
}

/** What is attached to something that is neither here nor there is not sent. */
async function isOrphan(pair: Pair, { reference }: LocalReference, signal: AbortSignal): Promise<boolean> {
  const { here, link, repository } = pair;
  const subject = subjectOfTag(reference);
  if (!subject || (await here.index.findManifest(repository, subject))) return false;
  return (await digestThere(link, placeOf(pair, { reference: subject }), signal)) === undefined;
}

function placeOf({ scope, repository }: Pair, { reference }: Pick<LocalReference, 'reference'>): Place {
  return { path: scope.nameAtPeer(repository), reference };
}

async function digestHere({ here: { index }, repository }: Pair, local: LocalReference): Promise<Digest | undefined> {
  const { reference, digest } = local;
  const row =
    reference === digest ? await index.findManifest(repository, digest) : await index.findTag(repository, reference);
  return row?.digest;
}
