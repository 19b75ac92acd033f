import type { Difference } from '../replication-operations.ts';

const MAX_NAMED = 1000;

/** Differences as they are found: all are counted, the first thousand are kept. */
export class DifferenceTally {
  readonly #named: Difference[] = [];
  #count = 0;

  add(differences: readonly Difference[]): void {
    this.#count += differences.length;
    this.#named.push(...differences.slice(0, MAX_NAMED - this.#named.length));
  }

  get count(): number {
    return this.#count;
  }

  get named(): readonly Difference[] {
    return this.#named;
  }
}
