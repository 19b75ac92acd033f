import type { Digest } from '../../../../src/oci/digest.ts';
import type { Reference } from '../../../../src/oci/reference.ts';
import { makeRepository, type Repository } from '../../../../src/oci/repository.ts';
import type { Life } from './life.ts';
import { blobsOf, childrenOf, contentOf, nameOf, type UniverseImage } from './universe.ts';
import { pathOf, type World } from './world.ts';

/** What a client asks for of an image. */
type PullDepth = 'head' | 'manifest' | 'blob' | 'image';

export interface Pull {
  readonly image: UniverseImage;
  /** A tag of its repository; without one it is asked for by digest. */
  readonly tag: string | undefined;
  readonly depth: PullDepth;
  /** Which platform of an index, which blob of an image: counted round. */
  readonly part: number;
  /** Leaves in the middle of each blob. */
  readonly leaves: boolean;
}

/**
 * What may go wrong: nothing; that the upstream is away, so that only what is stored comes; that it sends wrong bytes, which
 * then never come to their end; that the mirror ends.
 */
export type Trouble = 'none' | 'away' | 'corrupt' | 'ending';

const BUFFER_BYTES = 32 * 1024;
/** A busy machine may make the upstream seem slow, and then an old answer is given. */
const PATIENCE_MS = 2_000;

/** One client. */
export class Client {
  readonly #life: Life;
  readonly #world: World | undefined;
  readonly #trouble: Trouble;

  /** @param world undefined: tags are not moved while it looks */
  constructor(life: Life, world: World | undefined, trouble: Trouble) {
    this.#life = life;
    this.#world = world;
    this.#trouble = trouble;
  }

  /** Pulls as clients do: the manifest, of an index one platform's, then config and layers at once. */
  async pull({ image, tag, depth, part, leaves }: Pull): Promise<void> {
    const { repository } = image;
    const blobs = blobsOf(image.digest);
    if (depth === 'blob' && blobs.length > 0) return this.#blob(repository, at(blobs, part), leaves);
    const digest = await this.#manifest(repository, tag ?? image.digest, depth === 'head' ? 'head' : 'whole');
    if (digest === undefined || depth !== 'image') return;
    const children = childrenOf(digest);
    const leaf = children.length === 0 ? digest : await this.#manifest(repository, at(children, part), 'whole');
    if (leaf !== undefined) await Promise.all(blobsOf(leaf).map((blob) => this.#blob(repository, blob, leaves)));
  }

  async #manifest(name: string, reference: string, depth: 'head' | 'whole'): Promise<Digest | undefined> {
    const isDigest = reference.includes(':');
    const startedAtMs = Date.now();
    const mustCome = await this.#hasManifest(name, reference, depth);
    try {
      const asked: Reference = isDigest
        ? { kind: 'digest', digest: reference as Digest }
        : { kind: 'tag', tag: reference };
      const { digest, bytes } = await this.#life.registry.manifests.get(repositoryOf(name), asked, depth);
      const endedAtMs = Date.now();
      const isRight = bytes === undefined ? depth === 'head' : contentOf(digest).bytes.equals(bytes);
      if (!isRight) this.#life.violation(`${name} ${reference}: wrong bytes`);
      if (isDigest && digest !== reference) this.#life.violation(`${name}@${reference}: ${digest} came`);
      if (!isDigest) this.#expectTarget(name, reference, digest, { startedAtMs, endedAtMs });
      this.#life.uses.pulled(name, digest, startedAtMs);
      return digest;
    } catch (error) {
      if (mustCome) this.#refused(`${name} ${reference}`, error);
      return undefined;
    }
  }

  async #blob(name: string, digest: Digest, leaves: boolean): Promise<void> {
    const startedAtMs = Date.now();
    const mustCome = await this.#hasBlob(name, digest);
    try {
      const { bytes } = contentOf(digest);
      const got = await this.#read(name, digest, leaves ? Math.ceil(bytes.length / 2) : Infinity);
      if (got === undefined) return;
      if (!got.equals(bytes)) this.#life.violation(`${name} ${digest}: wrong bytes`);
      this.#life.uses.pulled(name, digest, startedAtMs);
    } catch (error) {
      if (mustCome) this.#refused(`${name} ${digest}`, error);
    }
  }

  /** All of it; undefined if the client left before its end. */
  async #read(name: string, digest: Digest, leaveAtBytes: number): Promise<Buffer | undefined> {
    await using blob = await this.#life.registry.blobs.open(repositoryOf(name), digest);
    const pieces: Buffer[] = [];
    const end = blob.sizeBytes ?? Infinity;
    for (let position = 0; position < end; ) {
      if (position >= leaveAtBytes) return undefined;
      const buffer = Buffer.alloc(BUFFER_BYTES);
      const read = await blob.read(buffer, position);
      if (read === 0) break;
      pieces.push(buffer.subarray(0, read));
      position += read;
    }
    return Buffer.concat(pieces);
  }

  #expectTarget(name: string, tag: string, digest: Digest, time: { startedAtMs: number; endedAtMs: number }): void {
    if (!this.#world) return;
    const { startedAtMs, endedAtMs } = time;
    const isFresh = this.#life.setup.freshForMs === 0 && endedAtMs - startedAtMs < PATIENCE_MS;
    const sinceMs = isFresh && this.#trouble === 'none' ? startedAtMs : -Infinity;
    if (this.#world.targetsOf(name, tag, sinceMs, endedAtMs).includes(digest)) return;
    this.#life.violation(`${name}:${tag}: ${nameOf(digest)} came, where it did not point`);
  }

  /** Has it to come whatever the upstream does? */
  async #hasManifest(name: string, reference: string, depth: 'head' | 'whole'): Promise<boolean> {
    if (this.#trouble !== 'away') return this.#trouble === 'none';
    const { index } = this.#life.mirror;
    const row = reference.includes(':')
      ? await index.findManifest(name, reference as Digest)
      : await index.findTag(name, reference);
    return row !== undefined && (depth === 'head' || !this.#life.spoiled.has(row.digest));
  }

  async #hasBlob(name: string, digest: Digest): Promise<boolean> {
    if (this.#trouble !== 'away') return this.#trouble === 'none';
    const { isStored, belongs } = await this.#life.mirror.index.findBlob(name, digest);
    return isStored && belongs && !this.#life.spoiled.has(digest);
  }

  #refused(what: string, error: unknown): void {
    this.#life.violation(`${what} did not come: ${error instanceof Error ? error.stack : String(error)}`);
  }
}

/** A repository by its name in full. */
function repositoryOf(name: string): Repository {
  return makeRepository(name.slice(0, name.indexOf('/')), pathOf(name));
}

function at(digests: readonly Digest[], position: number): Digest {
  const digest = digests[position % digests.length];
  if (digest === undefined) throw new Error('there is none');
  return digest;
}
