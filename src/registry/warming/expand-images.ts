import { type Reference, referenceText } from '../../oci/reference.ts';
import type { Repository } from '../../oci/repository.ts';
import { OperationError } from '../operations/operation-error.ts';
import type { Upstreams } from '../upstreams.ts';
import { type ImagePattern, resolveImagePattern } from './image-pattern.ts';

/** An image to fetch. */
export interface NamedImage {
  readonly repository: Repository;
  readonly reference: Reference;
}

export interface ExpansionOptions {
  readonly upstreams: Upstreams;
  readonly signal: AbortSignal;
  /** Told of each pattern that leads to no image; the others are none the worse for it. */
  readonly onFailure: (name: string, error: unknown) => void;
}

/** An image's name in full: `docker.io/library/debian:12`. */
export function imageText({ name }: Repository, reference: Reference): string {
  return `${name}${reference.kind === 'tag' ? ':' : '@'}${referenceText(reference)}`;
}

/**
 * Names to images, each once however often and in whatever way it is named: patterns of tags are looked up at their
 * upstreams.
 * @throws OperationError INVALID, RegistryError NAME_UNKNOWN for a name that no upstream could be asked for, before any is
 * asked; the signal's reason
 */
export async function expandImages(names: readonly string[], options: ExpansionOptions): Promise<NamedImage[]> {
  const found = new Map<string, NamedImage>();
  const patterns = names.map((name) => ({ name, pattern: readPattern(name, options.upstreams) }));
  for (const { name, pattern } of patterns) {
    try {
      for (const image of await imagesOf(pattern, options)) {
        found.set(imageText(image.repository, image.reference), image);
      }
    } catch (error) {
      options.signal.throwIfAborted();
      options.onFailure(name, error);
    }
  }
  return [...found.values()];
}

function readPattern(name: string, upstreams: Upstreams): ImagePattern {
  const pattern = resolveImagePattern(name, upstreams);
  if (!pattern) {
    throw new OperationError('INVALID', `"${name}" is no image; write for example debian:12 or ghcr.io/o/app:v1`);
  }
  if (upstreams.isHosted(pattern.repository)) {
    throw new OperationError('INVALID', `"${name}" is hosted here: there is no upstream that it could be fetched from`);
  }
  return pattern;
}

async function imagesOf(pattern: ImagePattern, { upstreams, signal }: ExpansionOptions): Promise<NamedImage[]> {
  const { repository } = pattern;
  if (pattern.kind === 'one') return [{ repository, reference: pattern.reference }];
  upstreams.check(repository);
  const { upstream } = upstreams.get(repository.registry);
  const tags = await upstream.listTags(repository.path, { purpose: 'warm', signal });
  const wanted = tags.filter(pattern.matches);
  if (wanted.length === 0) throw new Error('no tag matches');
  return wanted.map((tag) => ({ repository, reference: { kind: 'tag', tag } }));
}
