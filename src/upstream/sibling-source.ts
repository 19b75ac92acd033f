import type { Digest } from '../oci/digest.ts';
import type { Reference } from '../oci/reference.ts';
import type { AskSibling, WantedBlob } from './sibling.ts';
import type { Given, NotGiven, Siblings } from './siblings.ts';
import { UpstreamError } from './upstream-error.ts';
import type {
  BlobCallOptions,
  BlobRange,
  BlobSource,
  BlobStream,
  CallOptions,
  FetchedManifest,
  Purpose,
} from './upstream.ts';

/** A manifest, and the site that it comes from. */
export interface SiblingManifest extends FetchedManifest {
  readonly site: string;
}

/** Content of a namespace that no upstream has: other sites alone may have it. `path` is the rest of a repository's name. */
export class SiblingSource implements BlobSource {
  readonly #namespace: string;
  readonly #siblings: Siblings;

  constructor(namespace: string, siblings: Siblings) {
    this.#namespace = namespace;
    this.#siblings = siblings;
  }

  /** @throws UpstreamError NOT_FOUND if all of them say that they do not have it */
  async getManifest(path: string, reference: Reference, options: CallOptions = {}): Promise<SiblingManifest> {
    const repository = this.#nameOf(path);
    const wanted = reference.kind === 'digest' ? { repository, digest: reference.digest } : { repository };
    const ask: AskSibling<FetchedManifest> = (client, short) => client.getManifest(repository, reference, short);
    const { value, sibling } = found(repository, await this.#siblings.ask(wanted, options, ask));
    return { ...value, site: sibling.site };
  }

  async headBlob(path: string, digest: Digest, options: CallOptions = {}): Promise<{ sizeBytes: number | undefined }> {
    const wanted = this.#wanted(path, digest);
    const given = await this.#siblings.ask(wanted, options, (client, short) =>
      client.headBlob(wanted.repository, digest, short),
    );
    return found(wanted.repository, given).value;
  }

  async getBlob(
    path: string,
    digest: Digest,
    range: BlobRange | undefined,
    options: BlobCallOptions = {},
  ): Promise<BlobStream> {
    const wanted = this.#wanted(path, digest);
    const given = await this.#siblings.getBlob(wanted, range, options);
    if (given.value) return given.value;
    const rest = await this.#siblings.getBrokenBlob(wanted, range, options);
    return found(wanted.repository, rest.value || rest.trouble ? rest : given).value;
  }

  distrust(path: string, digest: Digest): void {
    this.#siblings.distrust(this.#wanted(path, digest));
  }

  /** Would one of them be asked now? */
  mayAsk(purpose: Purpose): boolean {
    return this.#siblings.mayAsk(purpose);
  }

  #wanted(path: string, digest: Digest): WantedBlob {
    return { repository: this.#nameOf(path), digest };
  }

  #nameOf(path: string): string {
    return `${this.#namespace}/${path}`;
  }
}

/** @throws UpstreamError when there is none */
function found<Value>(repository: string, given: Given<Value> | NotGiven): Given<Value> {
  if ('sibling' in given) return given;
  throw given.trouble ?? new UpstreamError('NOT_FOUND', 'siblings', `none of them has this of ${repository}`);
}
