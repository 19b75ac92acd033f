import { ContentError } from '../content-error.ts';

/** The right to work on the files of an ingest or upload: it has it itself, or whoever clears them away. */
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

/** Who works on which of them: two at once would spoil each other's. */
export class Holds<Key extends string> {
  readonly #what: string;
  readonly #held = new Map<Key, Held>();

  /** @param what comes before the key in messages */
  constructor(what: string) {
    this.#what = what;
  }

  has(key: Key): boolean {
    return this.#held.has(key);
  }

  /** Takes it, after one that is ending. @throws ContentError it is under way */
  async take(key: Key): Promise<Hold> {
    for (let held = this.#held.get(key); held; held = this.#held.get(key)) {
      if (!held.isEnding) throw new ContentError('STORE_FAILED', `${this.#what} ${key} is under way already`);
      await held.released;
    }
    return this.#add(key);
  }

  /** Takes it for a moment, in which others wait; undefined if somebody has it. */
  takeBriefly(key: Key): Hold | undefined {
    if (this.#held.has(key)) return undefined;
    const hold = this.#add(key);
    hold.endSoon();
    return hold;
  }

  #add(key: Key): Hold {
    const { promise: released, resolve } = Promise.withResolvers<void>();
    const held: Held = { isEnding: false, released };
    this.#held.set(key, held);
    return {
      endSoon: () => {
        held.isEnding = true;
      },
      release: () => {
        if (this.#held.get(key) === held) this.#held.delete(key);
        resolve();
      },
    };
  }
}
