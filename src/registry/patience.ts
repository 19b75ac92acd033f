import { within } from '../util/sleep.ts';

/** A client that could be given a cached answer waits at most this long for a better one. */
const PATIENCE_MS = 3_000;
/** After an upstream kept a client waiting in vain, nobody waits for it this long. */
const IMPATIENT_FOR_MS = 5_000;

/** How long clients wait for upstreams when there is something to give them instead. */
export class Patience {
  readonly #impatientUntilMs = new Map<string, number>();

  /** The result, or undefined when it does not come soon enough: it goes on in the background. */
  async wait<Value>(registry: string, work: Promise<Value>): Promise<Value | undefined> {
    const isImpatient = (this.#impatientUntilMs.get(registry) ?? 0) > Date.now();
    if (isImpatient) {
      work.then(() => this.#impatientUntilMs.delete(registry)).catch(() => undefined);
      return undefined;
    }
    const result = await within(PATIENCE_MS, work);
    if (result === undefined) this.#impatientUntilMs.set(registry, Date.now() + IMPATIENT_FOR_MS);
    return result;
  }
}
