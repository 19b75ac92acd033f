import { parseDigest, type Digest } from '../../oci/digest.ts';
import { KeyedLock } from '../../util/keyed-lock.ts';
import type { PeerMemory } from './peer-memory.ts';

export interface UploadSessionsOptions {
  /** What an earlier try left. */
  readonly stored: string | undefined;
  readonly save: (progress: string | undefined) => Promise<void>;
  readonly memory: Pick<PeerMemory, 'sessions'>;
  /** The repository's name at the peer. */
  readonly path: string;
}

/** Smaller blobs are sent again sooner than a disk has noted them. */
export const MIN_KEPT_BYTES = 4 * 1024 * 1024;
const MAX_KEPT = 16;
/** Signed URLs are some KiB long. */
const MAX_SESSION_LENGTH = 16 * 1024;

/** The uploads of one job that can be gone on with: those of large blobs after a restart too. */
export class UploadSessions {
  readonly #options: UploadSessionsOptions;
  /** By the repository's name at the peer and the digest: they are good for no other one. */
  readonly #kept: Map<string, string>;
  readonly #saving = new KeyedLock();

  constructor(options: UploadSessionsOptions) {
    this.#options = options;
    this.#kept = parseSessions(options.stored, options.path);
  }

  find(digest: Digest): string | undefined {
    const key = this.#key(digest);
    return this.#options.memory.sessions.get(key) ?? this.#kept.get(key);
  }

  /** When it resolves, the next try will know. @param session undefined: there is nothing to go on with */
  async keep(digest: Digest, sizeBytes: number, session: string | undefined): Promise<void> {
    const { memory, save } = this.#options;
    const key = this.#key(digest);
    if (session === undefined) memory.sessions.delete(key);
    else memory.sessions.set(key, session);
    if (!this.#note(key, sizeBytes, session)) return;
    await this.#saving.run('', () => save(this.#text()));
  }

  /** @returns whether there is something to save */
  #note(key: string, sizeBytes: number, session: string | undefined): boolean {
    if (session === undefined) return this.#kept.delete(key);
    if (sizeBytes < MIN_KEPT_BYTES || session.length > MAX_SESSION_LENGTH) return false;
    if (this.#kept.get(key) === session) return false;
    this.#kept.delete(key);
    this.#kept.set(key, session);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > MAX_KEPT && oldest !== undefined) this.#kept.delete(oldest);
    return true;
  }

  #text(): string | undefined {
    return this.#kept.size === 0 ? undefined : JSON.stringify(Object.fromEntries(this.#kept));
  }

  #key(digest: Digest): string {
    return keyOf(this.#options.path, digest);
  }
}

/** What is not understood, or of another repository, is left out: then it is sent from the start. */
function parseSessions(text: string | undefined, path: string): Map<string, string> {
  const sessions = new Map<string, string>();
  for (const [key, session] of entriesOf(text)) {
    const digest = parseDigest(key.slice(keyOf(path, '').length));
    if (!digest || key !== keyOf(path, digest)) continue;
    if (typeof session !== 'string' || session.length > MAX_SESSION_LENGTH) continue;
    if (sessions.size < MAX_KEPT) sessions.set(key, session);
  }
  return sessions;
}

function keyOf(path: string, digest: string): string {
  return `${path}@${digest}`;
}

function entriesOf(text: string | undefined): [string, unknown][] {
  if (text === undefined) return [];
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : [];
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}
