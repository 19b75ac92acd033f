import type { MetadataIndex } from '../../metadata/metadata-index.ts';
import { parseImageName } from '../../oci/image-name.ts';
import type { Repository } from '../../oci/repository.ts';
import { describeError } from '../../telemetry/telemetry.ts';
import type { Manifests } from '../manifests.ts';
import type { Upstreams } from '../upstreams.ts';
import { namedRepository } from './named-repository.ts';
import { OperationError } from './operation-error.ts';
import type { RefreshProgress, RefreshReport, WorkOptions } from './operations.ts';

/** Asks upstreams where cached tags point now. */
export class Refreshing {
  readonly #manifests: Manifests;
  readonly #index: MetadataIndex;
  readonly #upstreams: Upstreams;

  constructor(manifests: Manifests, index: MetadataIndex, upstreams: Upstreams) {
    this.#manifests = manifests;
    this.#index = index;
    this.#upstreams = upstreams;
  }

  /** A name with a tag means that tag; without one, all cached tags of the repository. @throws OperationError; the signal's reason */
  async refresh(text: string, { signal, onProgress }: WorkOptions<RefreshProgress>): Promise<RefreshReport[]> {
    const name = parseImageName(text);
    const repository = name && namedRepository(name.path, this.#upstreams);
    if (!name || !repository) throw new OperationError('INVALID', `"${text}" is no image; write for example debian:12`);
    if (name.reference.kind === 'digest') {
      throw new OperationError('INVALID', 'what a digest means never changes; name a tag or a repository');
    }
    this.#upstreams.check(repository);
    const hasTag = text.length > name.path.length;
    const tags = hasTag ? [name.reference.tag] : await this.#index.listTags(repository.name);
    if (tags.length === 0) throw new OperationError('NOT_FOUND', `no tag of ${repository.name} is here`);
    const reports: RefreshReport[] = [];
    for (const tag of tags) {
      signal.throwIfAborted();
      reports.push(await this.#refreshTag(repository, tag));
      onProgress({ tags: tags.length, tagsDone: reports.length });
    }
    return reports;
  }

  async #refreshTag(repository: Repository, tag: string): Promise<RefreshReport> {
    const reference = `${repository.name}:${tag}`;
    try {
      const { before, now } = await this.#manifests.refresh(repository, tag, 'revalidation');
      if (now === undefined && before === undefined) {
        return { reference, result: 'failed', error: 'it is neither here nor at the upstream' };
      }
      if (now === undefined) return { reference, result: 'gone' };
      return { reference, result: before === now ? 'unchanged' : 'moved', digest: now };
    } catch (error) {
      return { reference, result: 'failed', error: describeError(error).error };
    }
  }
}
