import type { Digest } from '../oci/digest.ts';
import type { Reference } from '../oci/reference.ts';
import type { AskSibling, Wanted } from './sibling.ts';
import type { Siblings } from './siblings.ts';
import { UpstreamError } from './upstream-error.ts';
import type {
  BlobCallOptions,
  BlobRange,
  BlobStream,
  CallOptions,
  FetchedManifest,
  ManifestHead,
  Purpose,
  Upstream,
  UpstreamReport,
} from './upstream.ts';

/**
 * An upstream with siblings: other sites that may have in their stores what is asked of it. What has a digest is asked of
 * them first, since its bytes are the same wherever they come from. Where a tag points, and lists, only the upstream
 * knows: when that fails, what a sibling was told by it is better than nothing. Where both fail the upstream's error
 * counts.
 */
export class SiblingFirst implements Upstream {
  readonly #upstream: Upstream;
  readonly #siblings: Siblings;

  constructor(upstream: Upstream, siblings: Siblings) {
    this.#upstream = upstream;
    this.#siblings = siblings;
  }

  get name(): string {
    return this.#upstream.name;
  }

  headManifest(path: string, reference: Reference, options: CallOptions = {}): Promise<ManifestHead> {
    const wanted = this.#wanted(path, reference);
    const ask: AskSibling<ManifestHead | undefined> = async (client, short) =>
      telling(await client.headManifest(wanted.repository, reference, short));
    const next = () => this.#upstream.headManifest(path, reference, options);
    return reference.kind === 'digest'
      ? this.#siblingsFirst(wanted, options, ask, next)
      : this.#upstreamFirst(wanted, options, next, async (client, short) =>
          newer(await ask(client, short), options.validatedAtMs),
        );
  }

  getManifest(path: string, reference: Reference, options: CallOptions = {}): Promise<FetchedManifest> {
    const wanted = this.#wanted(path, reference);
    const ask: AskSibling<FetchedManifest> = (client, short) => client.getManifest(wanted.repository, reference, short);
    const next = () => this.#upstream.getManifest(path, reference, options);
    return reference.kind === 'digest'
      ? this.#siblingsFirst(wanted, options, ask, next)
      : this.#upstreamFirst(wanted, options, next, async (client, short) =>
          newer(await ask(client, short), options.validatedAtMs),
        );
  }

  headBlob(path: string, digest: Digest, options: CallOptions = {}): Promise<{ sizeBytes: number | undefined }> {
    const wanted = { repository: this.#nameThere(path), digest };
    return this.#siblingsFirst(
      wanted,
      options,
      (client, short) => client.headBlob(wanted.repository, digest, short),
      () => this.#upstream.headBlob(path, digest, options),
    );
  }

  async getBlob(
    path: string,
    digest: Digest,
    range: BlobRange | undefined,
    options: BlobCallOptions = {},
  ): Promise<BlobStream> {
    const wanted = { repository: this.#nameThere(path), digest };
    const given = await this.#siblings.getBlob(wanted, range, options);
    if (given.value) return given.value;
    try {
      return await this.#upstream.getBlob(path, digest, range, options);
    } catch (error) {
      // Whatever the upstream says of it: the bytes would have come from there, had the connection not broken.
      if (!(error instanceof UpstreamError) || options.signal?.aborted) throw error;
      const { value } = await this.#siblings.getBrokenBlob(wanted, range, options);
      if (!value) throw error;
      return value;
    }
  }

  distrust(path: string, digest: Digest): void {
    this.#siblings.distrust({ repository: this.#nameThere(path), digest });
  }

  listTags(path: string, options: CallOptions = {}): Promise<readonly string[]> {
    const repository = this.#nameThere(path);
    const next = () => this.#upstream.listTags(path, options);
    // A sibling lists what was pulled there: whoever has a list of the upstream's knows more.
    if (options.validatedAtMs !== undefined) return next();
    return this.#upstreamFirst({ repository }, options, next, (client, short) => client.listTags(repository, short));
  }

  listReferrers(path: string, digest: Digest, options: CallOptions = {}): Promise<Uint8Array | undefined> {
    const repository = this.#nameThere(path);
    const next = () => this.#upstream.listReferrers(path, digest, options);
    if (options.validatedAtMs !== undefined) return next();
    return this.#upstreamFirst({ repository }, options, next, (client, short) =>
      client.listReferrers(repository, digest, short),
    );
  }

  report(): UpstreamReport {
    return { ...this.#upstream.report(), siblings: this.#siblings.report() };
  }

  leaveAlone(accounts: Parameters<Upstream['leaveAlone']>[0]): void {
    this.#upstream.leaveAlone(accounts);
  }

  mayAsk(purpose: Purpose): boolean {
    return this.#upstream.mayAsk(purpose) || this.#siblings.mayAsk(purpose);
  }

  /** The siblings stay: they belong to other upstreams too. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#upstream[Symbol.asyncDispose]();
  }

  async #siblingsFirst<Value extends object>(
    wanted: Wanted,
    options: CallOptions,
    ask: AskSibling<Value | undefined>,
    next: () => Promise<Value>,
  ): Promise<Value> {
    const { value } = await this.#siblings.ask(wanted, options, ask);
    return value ?? next();
  }

  async #upstreamFirst<Value extends object | undefined>(
    wanted: Wanted,
    options: CallOptions,
    next: () => Promise<Value>,
    ask: AskSibling<NonNullable<Value> | undefined>,
  ): Promise<Value> {
    try {
      return await next();
    } catch (error) {
      if (!(error instanceof UpstreamError) || isFinal(error) || options.signal?.aborted) throw error;
      const { value } = await this.#siblings.ask(wanted, options, ask);
      if (value === undefined) throw error;
      return value;
    }
  }

  #wanted(path: string, reference: Reference): Wanted {
    const repository = this.#nameThere(path);
    return reference.kind === 'digest' ? { repository, digest: reference.digest } : { repository };
  }

  /** Other sites know a repository by its name in full. */
  #nameThere(path: string): string {
    return `${this.name}/${path}`;
  }
}

/** It says what there is, or what we may see of it. */
function isFinal({ code }: UpstreamError): boolean {
  return code === 'NOT_FOUND' || code === 'DENIED';
}

/** A sibling that refuses HEAD says nothing. */
function telling(head: ManifestHead): ManifestHead | undefined {
  return head.digest === undefined || head.mediaType === undefined || head.sizeBytes === undefined ? undefined : head;
}

/** What a sibling was told before we were told ourselves is known better here. */
function newer<Value extends { readonly ageMs?: number }>(
  value: Value | undefined,
  validatedAtMs: number | undefined,
): Value | undefined {
  if (!value || validatedAtMs === undefined) return value;
  return Date.now() - (value.ageMs ?? 0) > validatedAtMs ? value : undefined;
}
