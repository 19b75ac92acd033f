import { digestOf, type Digest } from '../../../src/oci/digest.ts';
import { OCI_MANIFEST } from '../../../src/oci/media-types.ts';
import { referenceText, type Reference } from '../../../src/oci/reference.ts';
import type { Peer, PeerCallOptions } from '../../../src/upstream/peer.ts';
import { UpstreamError } from '../../../src/upstream/upstream-error.ts';
import type { FetchedManifest, ManifestHead } from '../../../src/upstream/upstream.ts';

/** A peer that has what a test says, answers questions about it, and takes nothing. */
export class ScriptedPeer implements Peer {
  readonly name: string;
  /** What was asked, such as `head team/app v1`. */
  readonly asked: string[] = [];
  /** Tags that it lists though it does not hold them, by repository. */
  readonly listedOnly = new Map<string, readonly string[]>();
  /** What each question waits for, or fails with. */
  before: (question: string, signal: AbortSignal | undefined) => Promise<void> | void = () => undefined;
  /** Does HEAD tell a digest? */
  tellsDigest = true;
  /** So many questions were open at once. */
  mostOpen = 0;
  #open = 0;
  readonly #references = new Map<string, Map<string, Digest>>();

  constructor(name = 'us-east') {
    this.name = name;
  }

  /** @param reference a tag, or the digest itself */
  put(path: string, reference: string, digest: Digest): void {
    const references = this.#references.get(path) ?? new Map<string, Digest>();
    references.set(reference, digest);
    this.#references.set(path, references);
  }

  remove(path: string, reference: string): void {
    this.#references.get(path)?.delete(reference);
  }

  /** Fails from now on. */
  fail(error = new UpstreamError('UNAVAILABLE', this.name, 'out of order', { status: 503 })): void {
    this.before = () => {
      throw error;
    };
  }

  async ping(): Promise<{ site: undefined }> {
    return { site: undefined };
  }

  headManifest(path: string, reference: Reference, options?: PeerCallOptions): Promise<ManifestHead | undefined> {
    return this.#answer(`head ${path} ${referenceText(reference)}`, options, () => {
      const digest = this.#references.get(path)?.get(referenceText(reference));
      return digest && { digest: this.tellsDigest ? digest : undefined, mediaType: OCI_MANIFEST, sizeBytes: 2 };
    });
  }

  getManifest(path: string, reference: Reference, options?: PeerCallOptions): Promise<FetchedManifest | undefined> {
    return this.#answer(`get ${path} ${referenceText(reference)}`, options, () => {
      const digest = this.#references.get(path)?.get(referenceText(reference));
      return digest && { digest, mediaType: OCI_MANIFEST, bytes: Buffer.from('{}') };
    });
  }

  listTags(path: string, options?: PeerCallOptions): Promise<readonly string[]> {
    return this.#answer(`tags ${path}`, options, () => {
      const names = [...(this.#references.get(path)?.keys() ?? [])].filter((name) => !name.includes(':'));
      return [...names, ...(this.listedOnly.get(path) ?? [])];
    });
  }

  hasBlob(): Promise<never> {
    return refuse();
  }

  mountBlob(): Promise<never> {
    return refuse();
  }

  pushBlob(): Promise<never> {
    return refuse();
  }

  putManifest(): Promise<never> {
    return refuse();
  }

  deleteManifest(): Promise<never> {
    return refuse();
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async #answer<Answer>(question: string, options: PeerCallOptions | undefined, answer: () => Answer): Promise<Answer> {
    this.asked.push(question);
    this.#open += 1;
    this.mostOpen = Math.max(this.mostOpen, this.#open);
    try {
      await options?.pace?.take(question.length, options.signal);
      await this.before(question, options?.signal);
      return answer();
    } finally {
      this.#open -= 1;
    }
  }
}

/** A digest that stands for the content of that name. */
export function digestFor(name: string): Digest {
  return digestOf(Buffer.from(name));
}

function refuse(): Promise<never> {
  return Promise.reject(new Error('the test has no answer to that'));
}
