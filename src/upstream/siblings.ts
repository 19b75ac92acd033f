import { throwIfGivenUp } from './caller-signal.ts';
import type { AskSibling, Sibling, Wanted, WantedBlob } from './sibling.ts';
import { UpstreamError } from './upstream-error.ts';
import type { BlobCallOptions, BlobRange, BlobStream, CallOptions, Purpose, SiblingReport } from './upstream.ts';

/** What the first of them gave that has it. */
export interface Given<Value> {
  readonly value: Value;
  readonly sibling: Sibling;
}

/** None of them gave it. */
export interface NotGiven {
  readonly value: undefined;
  /** Why one of them could not say whether it has it; undefined: they do not have it. */
  readonly trouble: UpstreamError | undefined;
}

/** Other sites, which are asked one after the other in the order of the configuration. Their failures are no errors. */
export class Siblings {
  readonly #all: readonly Sibling[];

  constructor(all: readonly Sibling[]) {
    this.#all = all;
  }

  report(): readonly SiblingReport[] {
    return this.#all.map((sibling) => sibling.report());
  }

  /** Would one of them be asked now? */
  mayAsk(purpose: Purpose): boolean {
    return this.#all.some((sibling) => sibling.mayAsk(purpose));
  }

  /**
   * What the first of them gives. @param call undefined: this one does not give it after all
   * @throws UpstreamError `TIMEOUT` when the caller gives up
   */
  ask<Value extends object>(
    wanted: Wanted,
    options: CallOptions,
    call: AskSibling<Value | undefined>,
  ): Promise<Given<Value> | NotGiven> {
    return first(this.#all, options, (sibling) => sibling.ask(wanted, options, call));
  }

  /** The same, of a blob or a part of it, and of those only that did not stop in the middle of it a short while ago. */
  getBlob(
    wanted: WantedBlob,
    range: BlobRange | undefined,
    options: BlobCallOptions,
  ): Promise<Given<BlobStream> | NotGiven> {
    const well = this.#all.filter((sibling) => !sibling.hasBroken(wanted));
    return first(well, options, (sibling) => sibling.getBlob(wanted, range, options));
  }

  /** And of those that did, when nobody else can give the rest. */
  getBrokenBlob(
    wanted: WantedBlob,
    range: BlobRange | undefined,
    options: BlobCallOptions,
  ): Promise<Given<BlobStream> | NotGiven> {
    const broken = this.#all.filter((sibling) => sibling.hasBroken(wanted));
    return first(broken, options, (sibling) => sibling.getBlob(wanted, range, options));
  }

  /** What came for the digest was wrong: whoever gave some of it is passed over for a while. */
  distrust(wanted: WantedBlob): void {
    for (const sibling of this.#all) sibling.distrust(wanted);
  }
}

async function first<Value extends object>(
  siblings: readonly Sibling[],
  { signal }: CallOptions,
  ask: (sibling: Sibling) => Promise<Value | undefined>,
): Promise<Given<Value> | NotGiven> {
  let trouble: UpstreamError | undefined;
  for (const sibling of siblings) {
    throwIfGivenUp(sibling.name, signal);
    try {
      const value = await ask(sibling);
      if (value !== undefined) return { value, sibling };
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      throwIfGivenUp(sibling.name, signal);
      if (error.code !== 'NOT_FOUND') trouble ??= error;
    }
  }
  return { value: undefined, trouble };
}
