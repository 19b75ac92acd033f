import type { Digest } from '../../oci/digest.ts';
import type { LocalManifest } from '../../registry/local-content.ts';
import { RegistryError } from '../../registry/registry-error.ts';
import { chooseChildren } from './choose-children.ts';
import type { CopyTask } from './copy-task.ts';
import { findManifest } from './find-content.ts';

/** A manifest that is to be sent, with those below it. */
export interface ImagePart {
  readonly manifest: LocalManifest;
  /** Manifests of an index that are sent with it. */
  readonly children: readonly ImagePart[];
  /** The index lists manifests that are not sent with it. */
  readonly isSparse: boolean;
}

export interface GatheredImage {
  readonly root: ImagePart;
  /** All parts, each once, what is listed before what lists it. */
  readonly parts: readonly ImagePart[];
  /** Manifests that belong to it and are not here, with what lists them. */
  readonly missing: readonly { readonly digest: Digest; readonly parent: Digest; readonly reason?: string }[];
}

export interface GatherOptions {
  /** Of indexes all children, whatever the rule says. */
  readonly isWhole: boolean;
  /** Chosen children that are not here are left out. */
  readonly mayLack: boolean;
  /** So may all of them be. */
  readonly mayBeEmpty: boolean;
}

/** Indexes of indexes are allowed, endless ones are not. */
const MAX_DEPTH = 4;
const MAX_MANIFESTS = 1000;
/** Of manifests, which all are in memory while the image is sent. */
const MAX_BYTES = 32 * 1024 * 1024;

/** Finds out which manifests are to be sent for one. @throws RegistryError */
export async function gatherImage(task: CopyTask, root: LocalManifest, options: GatherOptions): Promise<GatheredImage> {
  const gathering = new Gathering(task, options);
  const part = await gathering.part(root, 0);
  const isEmpty = part.children.length === 0 && gathering.lacking.length > 0;
  // Of an index that has just been pulled the children are about to come.
  const isMissed = isEmpty && !options.mayBeEmpty;
  const missing = isMissed ? [...gathering.missing, ...gathering.lacking] : gathering.missing;
  return { root: part, parts: [...gathering.parts.values()], missing };
}

type Missing = GatheredImage['missing'][number];

/** One walk down. */
class Gathering {
  /** In the order in which they were finished. */
  readonly parts = new Map<Digest, ImagePart>();
  readonly missing: Missing[] = [];
  readonly lacking: Missing[] = [];
  readonly #task: CopyTask;
  readonly #options: GatherOptions;
  readonly #begun = new Set<Digest>();
  #bytes = 0;

  constructor(task: CopyTask, options: GatherOptions) {
    this.#task = task;
    this.#options = options;
  }

  async part(manifest: LocalManifest, depth: number): Promise<ImagePart> {
    const { digest, parsed, bytes } = manifest;
    this.#begun.add(digest);
    this.#bytes += bytes.length;
    if (depth > MAX_DEPTH || this.#begun.size > MAX_MANIFESTS || this.#bytes > MAX_BYTES) {
      const message = `${digest} is a part of an image with too many manifests, or too deep or large ones, to be sent`;
      throw new RegistryError('MANIFEST_INVALID', message);
    }
    const children: ImagePart[] = [];
    const { chosen, others } = parsed.isIndex
      ? chooseChildren(manifest, this.#options.isWhole ? [] : this.#task.rule.platforms)
      : { chosen: [], others: [] };
    for (const child of chosen) {
      const part = await this.#child(child, digest, depth);
      if (part) children.push(part);
    }
    const part = { manifest, children, isSparse: others.length > 0 || children.length < chosen.length };
    this.parts.set(digest, part);
    return part;
  }

  async #child(digest: Digest, parent: Digest, depth: number): Promise<ImagePart | undefined> {
    const known = this.parts.get(digest);
    if (known) return known;
    if (this.#begun.has(digest)) return undefined;
    const { found, reason } = await findManifest(this.#task, digest);
    if (found) return this.part(found, depth + 1);
    const absence = { digest, parent, ...(reason !== undefined && { reason }) };
    // What an upstream could not give just now may come.
    if (this.#options.mayLack && reason === undefined) this.lacking.push(absence);
    else this.missing.push(absence);
    return undefined;
  }
}
