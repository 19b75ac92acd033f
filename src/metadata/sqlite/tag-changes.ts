import type { Digest } from '../../oci/digest.ts';
import type { HybridTime } from '../../util/hybrid-clock.ts';
import { baseOf, judgeChange, type TagChange, type Verdict } from '../last-writer.ts';
import type { Cause } from '../event-index.ts';
import type { LastChange, TagClocks } from './tag-clocks.ts';
import type { TagConflicts } from './tag-conflicts.ts';

interface TagChangesOptions {
  readonly clocks: TagClocks;
  readonly conflicts: TagConflicts;
  /** This site's name. */
  readonly site: string;
}

/** What is to become of a tag. */
export interface WantedChange {
  readonly repository: string;
  readonly tag: string;
  /** Undefined: it is to be deleted. */
  readonly digest: Digest | undefined;
  readonly cause: Cause;
}

/** Keeps the rule of the last writer for changes of tags, in the transaction of each. */
export class TagChanges {
  readonly #options: TagChangesOptions;

  constructor(options: TagChangesOptions) {
    this.#options = options;
  }

  /** Is it to be made? A change of now always is. */
  judge(wanted: WantedChange): Verdict['outcome'] {
    const incoming = incomingOf(wanted);
    return incoming ? judgeChange(this.#last(wanted), incoming).outcome : 'apply';
  }

  /** The same, when it is about to be made or turned down: if it is at odds with the last one, that is noted. */
  settle(wanted: WantedChange): Verdict['outcome'] {
    const incoming = incomingOf(wanted);
    const last = incoming && this.#last(wanted);
    if (!last) return 'apply';
    const { outcome, isConflict } = judgeChange(last, incoming);
    if (isConflict && !wanted.cause.origin?.isShared)
      this.#noteConflict(wanted, { last, incoming, isApplied: outcome === 'apply' });
    return outcome;
  }

  /**
   * It has been made. @param made.sequence the number of its event here @param made.clock when, if that is not now and not
   * told by where it comes from
   */
  note(
    { repository, tag, digest, cause: { origin } }: WantedChange,
    made: { sequence: number; clock?: HybridTime },
  ): void {
    const { clocks } = this.#options;
    const last = clocks.find(repository, tag);
    const site = origin?.site ?? this.#options.site;
    clocks.put({
      repository,
      tag,
      digest: digest ?? last?.target ?? origin?.base,
      site,
      sequence: origin?.sequence ?? made.sequence,
      clock: origin?.clock ?? made.clock ?? clocks.next(),
      base: origin ? origin.base : baseOf(last, site),
      deletedAtMs: digest === undefined ? Date.now() : undefined,
    });
  }

  /** The tag went, but nobody deleted it. */
  forget(repository: string, tag: string): void {
    this.#options.clocks.forget(repository, tag);
  }

  #last({ repository, tag }: WantedChange): LastChange | undefined {
    return this.#options.clocks.find(repository, tag);
  }

  #noteConflict(
    { repository, tag }: WantedChange,
    { last, incoming, isApplied }: { last: LastChange; incoming: TagChange; isApplied: boolean },
  ): void {
    // Two deletions agree, so one of the two is a digest; it stands in for one that nobody knows.
    const about = (last.digest ?? incoming.digest) as Digest;
    const here = { digest: last.target ?? about, site: last.site, clock: last.clock };
    const there = { digest: incoming.digest ?? incoming.base ?? about, site: incoming.site, clock: incoming.clock };
    const [kept, lost] = isApplied ? [there, here] : [here, there];
    const deleted = incoming.digest === undefined ? there : last.digest === undefined ? here : undefined;
    this.#options.conflicts.add(
      {
        atMs: Date.now(),
        repository,
        tag,
        kept,
        lost,
        ...(deleted && { deletion: deleted === kept ? 'kept' : 'lost' }),
      },
      lost.clock,
    );
  }
}

/** A change of another site that says when it was made; undefined: it counts as one of now. */
function incomingOf({ digest, cause: { origin } }: WantedChange): TagChange | undefined {
  return origin?.clock && { digest, site: origin.site, clock: origin.clock, base: origin.base };
}
