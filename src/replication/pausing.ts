import type { MetadataIndex } from '../metadata/metadata-index.ts';
import { isPaused, type LinkName, type Pause, withoutPause, withPause } from './pauses.ts';

const NOTE = 'replication.paused';

/** What operators paused, kept over restarts. */
export class Pausing {
  readonly #index: Pick<MetadataIndex, 'readNote' | 'writeNote'>;
  #pauses: readonly Pause[] = [];

  constructor(index: Pick<MetadataIndex, 'readNote' | 'writeNote'>) {
    this.#index = index;
  }

  /** Takes up what an earlier run left. @throws MetadataError */
  async load(): Promise<void> {
    this.#pauses = parse(await this.#index.readNote(NOTE));
  }

  isPaused(link: LinkName): boolean {
    return isPaused(this.#pauses, link);
  }

  /** @throws MetadataError: then nothing has changed */
  async pause(what: Pause): Promise<void> {
    await this.#set(withPause(this.#pauses, what));
  }

  /** @param links all that there are @throws MetadataError: then nothing has changed */
  async resume(what: Pause, links: readonly LinkName[]): Promise<void> {
    await this.#set(withoutPause(this.#pauses, what, links));
  }

  async #set(pauses: readonly Pause[]): Promise<void> {
    await this.#index.writeNote(NOTE, pauses.length === 0 ? undefined : JSON.stringify(pauses));
    this.#pauses = pauses;
  }
}

/** The note is our own, but nothing that is written there may keep the program from starting. */
function parse(note: string | undefined): Pause[] {
  if (note === undefined) return [];
  let found: unknown;
  try {
    found = JSON.parse(note);
  } catch {
    return [];
  }
  if (!Array.isArray(found)) return [];
  return found.filter(
    (pause: unknown): pause is Pause => typeof pause === 'object' && pause !== null && !Array.isArray(pause),
  );
}
