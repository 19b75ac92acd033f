import type { Digest } from '../../../../src/oci/digest.ts';
import { type Origin, startOrigin } from '../../../support/origin.ts';
import { contentOf, IMAGES, MOVING_TAG, named, REPOSITORIES, UNIVERSE, type UniverseImage } from './universe.ts';

interface Pointing {
  readonly digest: Digest;
  readonly fromMs: number;
  /** Infinity: it still does. */
  untilMs: number;
}

/** The upstreams: one origin that has all of the universe, whose tags move. */
export class World implements AsyncDisposable {
  readonly origin: Origin;
  readonly #pointings = new Map<string, Pointing[]>();

  private constructor(origin: Origin) {
    this.origin = origin;
  }

  static async start(): Promise<World> {
    const world = new World(await startOrigin());
    const { origin } = world;
    for (const { bytes, mediaType } of UNIVERSE.values()) if (mediaType === undefined) origin.addBlob(bytes);
    for (const { repository, name, isTagged, digest } of IMAGES) {
      const { bytes, mediaType = '' } = contentOf(digest);
      origin.addManifest(pathOf(repository), isTagged ? name : undefined, bytes, mediaType);
      if (isTagged) world.#note(repository, name, digest);
    }
    for (const repository of REPOSITORIES) world.moveTag(named(repository, 'v0'));
    return world;
  }

  /** The moving tag of its repository points at that image from now on. */
  moveTag({ repository, digest }: UniverseImage): void {
    this.origin.moveTag(pathOf(repository), MOVING_TAG, digest);
    this.#note(repository, MOVING_TAG, digest);
  }

  /** What the tag has pointed at in that time, in ms since the epoch. */
  targetsOf(repository: string, tag: string, fromMs: number, untilMs: number): Digest[] {
    const all = this.#pointings.get(`${repository}:${tag}`) ?? [];
    return all.filter((one) => one.fromMs <= untilMs && one.untilMs >= fromMs).map(({ digest }) => digest);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.origin[Symbol.asyncDispose]();
  }

  #note(repository: string, tag: string, digest: Digest): void {
    const key = `${repository}:${tag}`;
    const all = this.#pointings.get(key) ?? [];
    const last = all.at(-1);
    if (last) last.untilMs = Date.now();
    all.push({ digest, fromMs: Date.now(), untilMs: Infinity });
    this.#pointings.set(key, all);
  }
}

/** A repository's name at its registry. */
export function pathOf(repository: string): string {
  return repository.slice(repository.indexOf('/') + 1);
}
