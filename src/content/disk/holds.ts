import type { Digest } from '../../oci/digest.ts';
import { ContentError } from '../content-error.ts';

/** The right to work on the pieces of a digest: an ingest has it, or whoever clears them away. */
export interface Hold {
  /** It will soon be released: others wait for it instead of being refused. */
  endSoon(): void;
  /** Can be called again. */
  release(): void;
}

interface Held {
  isEnding: boolean;
  readonly released: Promise<void>;
}

/** Who works on the pieces of which digest: two at once would spoil each other's. */
export class Holds {
  readonly #held = new Map<Digest, Held>();

  has(digest: Digest): boolean {
    return this.#held.has(digest);
  }

  /** Takes it, after one that is ending. @throws ContentError an ingest is under way */
  async take(digest: Digest): Promise<Hold> {
    for (let held = this.#held.get(digest); held; held = this.#held.get(digest)) {
      if (!held.isEnding) throw new ContentError('STORE_FAILED', `an ingest of ${digest} is under way already`);
      await held.released;
    }
    return this.#add(digest);
  }

  /** Takes it for a moment, in which others wait; undefined if somebody has it. */
  takeBriefly(digest: Digest): Hold | undefined {
    if (this.#held.has(digest)) return undefined;
    const hold = this.#add(digest);
    hold.endSoon();
    return hold;
  }

  #add(digest: Digest): Hold {
    const { promise: released, resolve } = Promise.withResolvers<void>();
    const held: Held = { isEnding: false, released };
    this.#held.set(digest, held);
    return {
      endSoon: () => {
        held.isEnding = true;
      },
      release: () => {
        if (this.#held.get(digest) === held) this.#held.delete(digest);
        resolve();
      },
    };
  }
}
