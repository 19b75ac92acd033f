import { LRUCache } from 'lru-cache';
import type { Digest } from '../oci/digest.ts';
import type { ManifestAnswer } from './manifest-answer.ts';

const MAX_ENTRIES = 10_000;
/** A client that asked for a tag's digest fetches that digest soon, or never. */
const REMEMBER_MS = 10 * 60_000;

/**
 * Tags whose digest an upstream told before its manifest was fetched. Clients resolve a tag by HEAD and then fetch by
 * digest: this is how the tag comes into the index when the manifest does. In memory only, for the index shall never
 * point a tag at something that is not there.
 */
export class SeenTags {
  readonly #tags = new LRUCache<string, Map<string, number>>({ max: MAX_ENTRIES, ttl: REMEMBER_MS });
  readonly #digests = new LRUCache<string, Digest>({ max: MAX_ENTRIES, ttl: REMEMBER_MS });
  readonly #answers = new LRUCache<string, { answer: ManifestAnswer; atMs: number }>({
    max: MAX_ENTRIES,
    ttl: REMEMBER_MS,
  });

  /** The tag points at the digest, and at no other any more. @param atMs when the upstream said so */
  add(repository: string, tag: string, digest: Digest, atMs = Date.now()): void {
    const before = this.#digests.get(`${repository}:${tag}`);
    if (before !== undefined && before !== digest) this.#tags.get(`${repository}@${before}`)?.delete(tag);
    this.#digests.set(`${repository}:${tag}`, digest);
    const key = `${repository}@${digest}`;
    const tags = this.#tags.get(key) ?? new Map<string, number>();
    this.#tags.set(key, tags.set(tag, atMs));
  }

  /** The tag was deleted: whatever was told of it before counts no more. */
  forget(repository: string, tag: string): void {
    const key = `${repository}:${tag}`;
    const digest = this.#digests.get(key);
    if (digest !== undefined) this.#tags.get(`${repository}@${digest}`)?.delete(tag);
    this.#digests.delete(key);
    this.#answers.delete(key);
  }

  /** What was answered to a HEAD for the tag. @param atMs when the upstream said so */
  tell(repository: string, tag: string, answer: ManifestAnswer, atMs = Date.now()): void {
    this.#answers.set(`${repository}:${tag}`, { answer, atMs });
  }

  /** What was answered to a HEAD for the tag less than so long ago. */
  find(repository: string, tag: string, freshForMs: number): { answer: ManifestAnswer; ageMs: number } | undefined {
    const found = this.#answers.get(`${repository}:${tag}`);
    const ageMs = found ? Date.now() - found.atMs : Infinity;
    return found && ageMs < freshForMs ? { answer: found.answer, ageMs } : undefined;
  }

  /** The tags that pointed at the digest when they were last asked about, and when that was. */
  tagsOf(repository: string, digest: Digest): readonly { readonly tag: string; readonly atMs: number }[] {
    return [...(this.#tags.get(`${repository}@${digest}`) ?? [])].map(([tag, atMs]) => ({ tag, atMs }));
  }
}
