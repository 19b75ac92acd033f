import type { ManifestRow, PushedIndex } from '../metadata/metadata-index.ts';
import type { Digest } from '../oci/digest.ts';
import { parseManifest } from '../oci/manifest.ts';
import type { HotManifests } from './hot-manifests.ts';

/** One entry of a referrers list: a descriptor, kept with whatever fields it has. */
export interface ReferrerDescriptor {
  readonly artifactType?: string;
  readonly [field: string]: unknown;
}

/** Which of them are wanted. */
export interface ReferrersQuery {
  readonly artifactType: string | undefined;
  /** Those whose digests come later in byte order. */
  readonly after: string | undefined;
  readonly limit: number | undefined;
}

/** Some of them, and where the next ones begin, if there are more. */
export interface ReferrersPage {
  readonly entries: readonly ReferrerDescriptor[];
  readonly next: string | undefined;
}

export interface StoredReferrersOptions {
  readonly index: PushedIndex;
  readonly hot: HotManifests;
}

/** Without a limit of the client's. */
const PAGE_ENTRIES = 1_000;
/** Annotations may be large, and clients take no larger manifests than this (distribution-spec, "Pushing Manifests"). */
const PAGE_BYTES = 4 * 1024 * 1024;
const ROWS = 100;

/** Manifests that are stored and whose subject is a given one (distribution-spec, "Listing Referrers"). */
export class StoredReferrers {
  readonly #options: StoredReferrersOptions;

  constructor(options: StoredReferrersOptions) {
    this.#options = options;
  }

  /** In byte order of digests. @param repository its name in full */
  async page(repository: string, subject: Digest, query: ReferrersQuery): Promise<ReferrersPage> {
    const limit = Math.min(query.limit ?? PAGE_ENTRIES, PAGE_ENTRIES);
    const entries: ReferrerDescriptor[] = [];
    let after = query.after ?? '';
    let bytes = 0;
    if (limit === 0) return { entries, next: undefined };
    for (;;) {
      const rows = await this.#options.index.listReferrers({ repository, subject, after, limit: ROWS });
      for (const row of rows) {
        const descriptor = await this.#describe(row);
        if (query.artifactType !== undefined && descriptor.artifactType !== query.artifactType) {
          after = row.digest;
          continue;
        }
        bytes += JSON.stringify(descriptor).length;
        if (entries.length > 0 && (entries.length >= limit || bytes > PAGE_BYTES)) return { entries, next: after };
        entries.push(descriptor);
        after = row.digest;
      }
      if (rows.length < ROWS) return { entries, next: undefined };
    }
  }

  /** With its artifact type and its annotations, unless its bytes were lost. */
  async #describe({ digest, mediaType, sizeBytes }: ManifestRow): Promise<ReferrerDescriptor> {
    const descriptor = { mediaType, digest, size: sizeBytes };
    const bytes = await this.#options.hot.get(digest, sizeBytes).catch(() => undefined);
    if (!bytes) return descriptor;
    const { artifactType, annotations } = parseManifest(bytes, mediaType);
    return {
      ...descriptor,
      ...(artifactType === undefined ? {} : { artifactType }),
      ...(annotations === undefined ? {} : { annotations }),
    };
  }
}
