import { type DigestAlgorithm, digestOf } from './bytes.ts';

/** A manifest as it was added. */
export interface StoredManifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

interface StoredBlob {
  readonly bytes: Uint8Array;
  /** `undefined`: in every repository. */
  readonly repositories: readonly string[] | undefined;
}

interface Repository {
  readonly manifests: Map<string, StoredManifest>;
  /** Digest by tag. */
  readonly tags: Map<string, string>;
}

/** Where and how a blob is kept. */
export interface BlobOptions {
  algorithm?: DigestAlgorithm;
  /** The repositories that have it, default all. */
  repositories?: readonly string[];
}

/** What the origin has. */
export class OriginContent {
  readonly #blobs = new Map<string, StoredBlob>();
  readonly #repositories = new Map<string, Repository>();

  addBlob(bytes: Uint8Array, options: BlobOptions = {}): string {
    const digest = digestOf(bytes, options.algorithm);
    this.#blobs.set(digest, { bytes, repositories: options.repositories });
    return digest;
  }

  /** The bytes of a blob, if the repository (default: any) has it. */
  blob(digest: string, repository?: string): Uint8Array | undefined {
    const blob = this.#blobs.get(digest);
    const hidden = repository !== undefined && blob?.repositories?.includes(repository) === false;
    return hidden ? undefined : blob?.bytes;
  }

  deleteBlob(digest: string): void {
    this.#blobs.delete(digest);
  }

  /** Keeps a manifest exactly as given; an object is written as JSON. */
  addManifest(name: string, tag: string | undefined, content: Uint8Array | object, mediaType: string): string {
    const bytes = content instanceof Uint8Array ? content : Buffer.from(JSON.stringify(content));
    const digest = digestOf(bytes);
    const repository = this.#repositories.get(name) ?? { manifests: new Map(), tags: new Map() };
    this.#repositories.set(name, repository);
    repository.manifests.set(digest, { digest, mediaType, bytes });
    if (tag !== undefined) repository.tags.set(tag, digest);
    return digest;
  }

  /** The manifest of a tag or digest. */
  manifest(name: string, reference: string): StoredManifest | undefined {
    const repository = this.#repositories.get(name);
    return repository?.manifests.get(repository.tags.get(reference) ?? reference);
  }

  /** All manifests of a repository, oldest first. */
  manifests(name: string): StoredManifest[] {
    return [...(this.#repositories.get(name)?.manifests.values() ?? [])];
  }

  /** The tags of a repository in order, `undefined` if there is no such repository. */
  tags(name: string): string[] | undefined {
    const repository = this.#repositories.get(name);
    return repository && [...repository.tags.keys()].toSorted();
  }

  moveTag(name: string, tag: string, digest: string): void {
    const repository = this.#repositories.get(name);
    if (repository?.manifests.has(digest) !== true) throw new Error(`origin has no manifest ${digest} in ${name}`);
    repository.tags.set(tag, digest);
  }

  deleteTag(name: string, tag: string): void {
    this.#repositories.get(name)?.tags.delete(tag);
  }

  /** Removes a manifest and the tags which name it. */
  deleteManifest(name: string, digest: string): void {
    const repository = this.#repositories.get(name);
    repository?.manifests.delete(digest);
    for (const [tag, target] of repository?.tags ?? []) {
      if (target === digest) repository?.tags.delete(tag);
    }
  }
}
