import type { MetadataIndex } from '../metadata/metadata-index.ts';
import type { TagState } from '../metadata/replication-index.ts';
import type { Digest } from '../oci/digest.ts';
import type { Reference } from '../oci/reference.ts';
import type { Repository } from '../oci/repository.ts';
import type { Listing } from './listings.ts';
import type { ManifestAnswer } from './manifest-answer.ts';
import type { ManifestShelf } from './manifest-shelf.ts';
import type { BlobInfo, OpenBlob } from './open-blob.ts';
import { RegistryError, type Subject, toRegistryError } from './registry-error.ts';
import type { StoredBlobs } from './stored-blobs.ts';
import type { ReferrerDescriptor, ReferrersQuery, StoredReferrers } from './stored-referrers.ts';

export interface StoredContentOptions {
  readonly index: MetadataIndex;
  readonly shelf: ManifestShelf;
  readonly blobs: StoredBlobs;
  readonly referrers: StoredReferrers;
}

/**
 * What is in the store, for clients that want no more than that, such as other sites: neither an upstream nor a sibling is
 * asked, so that sites that ask each other never go in a circle, and nothing is waited for, not even a download that is
 * under way. It is a use all the same. All errors are RegistryErrors; undefined: it is not here.
 */
export class StoredContent {
  readonly #options: StoredContentOptions;

  constructor(options: StoredContentOptions) {
    this.#options = options;
  }

  /** By a tag also when that is stale: its age is told. */
  manifest(repository: Repository, reference: Reference): Promise<ManifestAnswer | undefined> {
    return translated('MANIFEST_UNKNOWN', async () => {
      const { index, shelf } = this.#options;
      const answer = await shelf.find(repository, reference);
      if (answer) index.noteUse({ repository: repository.name, digest: answer.digest, atMs: Date.now() });
      return answer;
    });
  }

  /** Which change of a tag was the last; looking at that is no use of it. */
  tagState({ name }: Repository, tag: string): Promise<TagState | undefined> {
    return translated('MANIFEST_UNKNOWN', () => this.#options.index.findTagState(name, tag));
  }

  openBlob(repository: Repository, digest: Digest): Promise<OpenBlob | undefined> {
    return translated('BLOB_UNKNOWN', async () => {
      const { index, blobs } = this.#options;
      const row = await index.findBlob(repository.name, digest);
      if (!row.isStored || !row.belongs) return undefined;
      return blobs.open(repository, digest, row, async (failure) => {
        const file = await blobs.reopen(repository, digest, failure);
        if (!file) throw new RegistryError('CONTENT_LOST', `the blob ${digest} of ${repository.name} was lost here`);
        return file;
      });
    });
  }

  async headBlob(repository: Repository, digest: Digest): Promise<BlobInfo | undefined> {
    await using blob = await this.openBlob(repository, digest);
    return blob && { digest, sizeBytes: blob.sizeBytes, outcome: blob.outcome, ageMs: blob.ageMs };
  }

  /** Those that are here, and those that the upstream listed when it was last asked; in byte order. */
  tags({ name }: Repository): Promise<Listing<string> | undefined> {
    return translated('NAME_UNKNOWN', async () => {
      const known = await this.#options.index.listTags(name);
      const listed = (await this.#listed(name, 'tags')) as readonly string[] | undefined;
      if (known.length === 0 && !listed) return undefined;
      return { entries: [...new Set([...(listed ?? []), ...known])].sort(), outcome: 'hit', ageMs: 0 };
    });
  }

  /** The same of a subject's referrers, all at once; undefined where nobody has asked the upstream and none is here. */
  referrers(
    { name }: Repository,
    subject: Digest,
    { artifactType }: Pick<ReferrersQuery, 'artifactType'>,
  ): Promise<Listing<ReferrerDescriptor> | undefined> {
    return translated('NAME_UNKNOWN', async () => {
      const here = await this.#options.referrers.page(name, subject, {
        artifactType: undefined,
        after: undefined,
        limit: undefined,
      });
      const key = `referrers ${subject}`;
      const listed = (await this.#listed(name, key)) as readonly ReferrerDescriptor[] | undefined;
      if (here.entries.length === 0 && !listed) return undefined;
      const byDigest = new Map([...here.entries, ...(listed ?? [])].map((entry) => [entry['digest'], entry]));
      const all = [...byDigest.values()];
      const entries = artifactType === undefined ? all : all.filter((entry) => entry.artifactType === artifactType);
      return { entries, outcome: 'hit', ageMs: 0 };
    });
  }

  /** What the upstream listed when it was last asked. */
  async #listed(repository: string, key: string): Promise<readonly unknown[] | undefined> {
    const row = await this.#options.index.findListing(repository, key);
    return row && (JSON.parse(Buffer.from(row.body).toString()) as readonly unknown[]);
  }
}

async function translated<Value>(missing: Subject, work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    throw toRegistryError(error, missing);
  }
}
