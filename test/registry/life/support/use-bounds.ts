/**
 * When content of a repository was last pulled: not before `certain`, not after `possible`. What lies between them is
 * left open: the moment within a request, and what a crash forgot.
 */
export class UseBounds {
  readonly #certain = new Map<string, number>();
  readonly #possible = new Map<string, number>();

  /** A client pulled it, after that moment. It counts from the next turn of the event loop on. */
  pulled(repository: string, digest: string, sinceMs: number): void {
    setImmediate(() => raise(this.#certain, keyOf(repository, digest), sinceMs));
  }

  /** Something was done then that may count as a use. */
  touched(repository: string, digest: string, atMs: number): void {
    raise(this.#possible, keyOf(repository, digest), atMs);
  }

  /** Uses are written down now and then only: a crash may have forgotten all of them. */
  crashed(): void {
    this.#certain.clear();
  }

  /** As far as it is certain now. */
  certain(): (repository: string, digests: Iterable<string>) => number {
    const asOfNow = new Map(this.#certain);
    return (repository, digests) => latest(asOfNow, repository, digests);
  }

  possible(repository: string, digests: Iterable<string>): number {
    return latest(this.#possible, repository, digests);
  }
}

function keyOf(repository: string, digest: string): string {
  return `${repository}@${digest}`;
}

function raise(map: Map<string, number>, key: string, atMs: number): void {
  map.set(key, Math.max(map.get(key) ?? -Infinity, atMs));
}

function latest(map: ReadonlyMap<string, number>, repository: string, digests: Iterable<string>): number {
  return Iterator.from(digests)
    .map((digest) => map.get(keyOf(repository, digest)) ?? -Infinity)
    .reduce((last, at) => Math.max(last, at), -Infinity);
}
