import { ContentError } from '../../content/content-error.ts';
import type { ContentStore, Upload, UploadState } from '../../content/content-store.ts';
import type { Cause } from '../../metadata/event-index.ts';
import type { BlobRow, MetadataIndex } from '../../metadata/metadata-index.ts';
import type { Digest, DigestAlgorithm } from '../../oci/digest.ts';
import { describeError, type Telemetry } from '../../telemetry/telemetry.ts';
import type { KeyedLock } from '../../util/keyed-lock.ts';
import { RegistryError, toRegistryError } from '../registry-error.ts';
import type { DiskBudget } from '../space/disk-budget.ts';
import { registryOf } from '../space/registry-of.ts';
import type { LostContent } from '../upkeep/lost-content.ts';
import type { IncomingBytes } from './incoming-bytes.ts';
import { takeBytes } from './take-bytes.ts';
import { parseUploadNote, uploadNote } from './upload-note.ts';
import { noRoom, UploadRoom } from './upload-room.ts';
import type { WantedBlobs } from './wanted-blobs.ts';
import { unknownUpload, type UploadOwner, UploadSession } from './upload-session.ts';

export interface UploadsOptions {
  readonly store: ContentStore;
  readonly index: MetadataIndex;
  readonly budget: DiskBudget;
  readonly lost: LostContent;
  readonly wanted: WantedBlobs;
  /** One at a time for each digest: storing it, and removing it. */
  readonly locks: KeyedLock;
  readonly telemetry: Telemetry;
  /** An upload that nobody has worked on for so long is thrown away. */
  readonly expireMs: number;
}

/** An upload, as its client may know it. */
export interface UploadStatus {
  readonly id: string;
  /** What has arrived. */
  readonly sizeBytes: number;
}

/** Each takes two files, and memory for as long as it is not expired. */
const MAX_SESSIONS = 10_000;
const MAX_SESSIONS_OF_ONE = 1_000;
const TOO_MANY_MS = 60_000;
/** Who has not come back for so long is not about to push the manifest either. */
const UNDER_WAY_MS = 3_600_000;

/**
 * Uploads of blobs (distribution-spec, "Pushing blobs"). They outlive restarts and broken connections: what has arrived
 * stays until it is asked for, cancelled or expired. All errors are RegistryErrors.
 */
export class Uploads implements AsyncDisposable {
  readonly #options: UploadsOptions;
  readonly #sessions = new Map<string, UploadSession>();
  readonly #onBytes: (bytes: number) => void;

  constructor(options: UploadsOptions) {
    this.#options = options;
    this.#onBytes = (bytes) => options.telemetry.uploadReceived(bytes);
  }

  /** Finds what an earlier run left, and counts it. To be called before anything is served. */
  async prepare(): Promise<void> {
    const { store } = this.#options;
    for (const state of await store.listUploads()) {
      const owner = parseUploadNote(state.note);
      if (owner) this.#remember(state, owner);
      else await store.discardUpload(state.id);
    }
    this.#tellCount();
  }

  /** Repositories, by their names in full, that somebody is pushing blobs to: now, or within the last hour. */
  get repositories(): ReadonlySet<string> {
    const since = Date.now() - UNDER_WAY_MS;
    const underWay = [...this.#sessions.values()].filter(({ isBusy, atMs }) => isBusy || atMs >= since);
    return new Set(underWay.map(({ owner }) => owner.repository));
  }

  /** Begins an upload. @param algorithm what its digest will be of, if the client told */
  async start(owner: UploadOwner, algorithm?: DigestAlgorithm): Promise<UploadStatus> {
    const { id } = await translating(() => this.#begin(owner, algorithm));
    return { id, sizeBytes: 0 };
  }

  /** Where an upload stands, also while bytes come in. */
  status(id: string, owner: UploadOwner): UploadStatus {
    return { id, sizeBytes: this.#find(id, owner).sizeBytes };
  }

  /** Appends bytes. Of what fails in the middle that stays which has arrived. */
  async append(id: string, owner: UploadOwner, incoming: IncomingBytes): Promise<UploadStatus> {
    const session = this.#find(id, owner);
    await this.#work(session, (upload) => takeBytes(session, upload, incoming, this.#onBytes));
    return { id, sizeBytes: session.sizeBytes };
  }

  /**
   * Ends an upload: what has arrived, with these bytes behind it, is a blob of the repository from now on. Where it is not
   * what the digest says it is thrown away: no retry could mend it.
   */
  async finish(
    id: string,
    target: { readonly owner: UploadOwner; readonly digest: Digest; readonly cause: Cause },
    incoming: IncomingBytes | undefined,
  ): Promise<void> {
    const session = this.#find(id, target.owner);
    await this.#work(session, async (upload) => {
      if (incoming) await takeBytes(session, upload, incoming, this.#onBytes);
      await this.#complete(session, upload, target);
    });
  }

  /** The whole of a blob in one request: no session is left behind if it fails. */
  async pushWhole(
    target: { readonly owner: UploadOwner; readonly digest: Digest; readonly cause: Cause },
    algorithm: DigestAlgorithm,
    incoming: IncomingBytes,
  ): Promise<void> {
    const session = await translating(() => this.#begin(target.owner, algorithm));
    try {
      await this.finish(session.id, target, incoming);
    } finally {
      if (!session.isOver) await this.#discard(session);
    }
  }

  /** Throws an upload away, also one that somebody else is writing to. */
  async cancel(id: string, owner: UploadOwner): Promise<void> {
    await this.#discard(this.#find(id, owner));
  }

  /** Throws away what nobody has worked on for too long. @returns how many there were */
  async expire(): Promise<number> {
    const before = Date.now() - this.#options.expireMs;
    let count = 0;
    for (const session of this.#sessions.values()) {
      // Looked at just before: while others were thrown away its client may have come back.
      if (session.isOver || session.isBusy || session.atMs >= before) continue;
      this.#options.telemetry.log.info({ upload: session.id, ...session.owner }, 'an upload expired');
      await this.#discard(session);
      count += 1;
    }
    return count;
  }

  /** Closes all uploads; their bytes stay for the next run. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([...this.#sessions.values()].map((session) => session.close()));
  }

  async #begin(owner: UploadOwner, algorithm: DigestAlgorithm | undefined): Promise<UploadSession> {
    const { store, budget } = this.#options;
    const room = await UploadRoom.begin(budget, registryOf(owner.repository));
    try {
      await this.#requireFew(owner);
      const upload = await store.startUpload(uploadNote(owner), algorithm);
      const state = { id: upload.id, owner, sizeBytes: 0, atMs: Date.now(), room };
      const session = new UploadSession(store, state, upload);
      this.#sessions.set(session.id, session);
      this.#tellCount();
      return session;
    } catch (error) {
      room.release();
      throw error;
    }
  }

  #remember({ id, sizeBytes, atMs }: UploadState, owner: UploadOwner): void {
    const { store, budget } = this.#options;
    const room = UploadRoom.resume(budget, registryOf(owner.repository), sizeBytes);
    this.#sessions.set(id, new UploadSession(store, { id, owner, sizeBytes, atMs, room }));
  }

  /** Of too many the one goes that nobody has come back to for the longest time: clients that are stopped cancel nothing. */
  async #requireFew({ principal }: UploadOwner): Promise<void> {
    const sessions = [...this.#sessions.values()];
    const own = sessions.filter(({ owner }) => owner.principal === principal);
    if (sessions.length < MAX_SESSIONS && own.length < MAX_SESSIONS_OF_ONE) return;
    const left = longestLeft(own.length < MAX_SESSIONS_OF_ONE ? sessions : own, Date.now() - UNDER_WAY_MS);
    if (left) {
      this.#options.telemetry.log.info({ upload: left.id, ...left.owner }, 'an upload made way for a new one');
      await this.#discard(left);
      return;
    }
    const message = `${own.length} uploads of ${principal} are not finished: finish or cancel some before new ones`;
    throw new RegistryError('TOO_MANY_UPLOADS', message, { retryAfterMs: TOO_MANY_MS });
  }

  #find(id: string, { repository, principal }: UploadOwner): UploadSession {
    const session = this.#sessions.get(id);
    const isOwn = session?.owner.repository === repository && session.owner.principal === principal;
    if (!session || !isOwn || session.isOver) throw unknownUpload(id);
    return session;
  }

  async #work(session: UploadSession, act: (upload: Upload) => Promise<void>): Promise<void> {
    const settling = async (upload: Upload): Promise<void> => {
      try {
        await act(upload);
      } finally {
        if (!session.isOver) session.room.settle(upload.sizeBytes);
      }
    };
    try {
      await translating(() => session.work(settling));
    } finally {
      if (session.isOver) this.#forget(session);
    }
  }

  async #complete(
    session: UploadSession,
    upload: Upload,
    { owner, digest, cause }: { readonly owner: UploadOwner; readonly digest: Digest; readonly cause: Cause },
  ): Promise<void> {
    const { index, locks, lost, wanted, budget, telemetry } = this.#options;
    const { sizeBytes } = upload;
    const { repository } = owner;
    if (!(await upload.verify(digest))) {
      await upload.discard();
      session.end();
      throw new RegistryError('DIGEST_INVALID', `the ${sizeBytes} bytes that were pushed are not ${digest}`);
    }
    // Bytes first, then the row, and nobody removes the digest meanwhile.
    const isNew = await locks.run(digest, async () => {
      const row = await index.findBlob('', digest);
      const isThere = await this.#isThere(digest, sizeBytes, row);
      try {
        await this.#storeOrDiscard(session, upload, isThere ? undefined : digest);
        wanted.note(repository, digest);
        try {
          await index.pushBlob({ repository, digest, sizeBytes, atMs: Date.now() }, cause);
        } finally {
          session.end();
        }
      } catch (error) {
        // What the index does not have is not to lie there: it would be taken for something that was forgotten.
        if (!row.isStored) await this.#takeBack(digest);
        throw error;
      }
      return !isThere;
    });
    lost.stored(digest, repository);
    await budget.share();
    telemetry.blobPushed({ repository, digest, sizeBytes, actor: cause.actor, isNew });
  }

  /** Content that is stored already is not stored again, unless its file is gone or cut off. */
  async #isThere(digest: Digest, sizeBytes: number, row: BlobRow): Promise<boolean> {
    if (!row.isStored || row.sizeBytes !== sizeBytes) return false;
    await using file = await this.#options.store.open(digest).catch(() => undefined);
    return file?.sizeBytes === sizeBytes;
  }

  /** Makes it content, or throws away what is not needed. Nothing can be done with an upload that failed at that. */
  async #storeOrDiscard(session: UploadSession, upload: Upload, digest: Digest | undefined): Promise<void> {
    try {
      await (digest === undefined ? upload.discard() : upload.commit(digest));
    } catch (error) {
      // The next request goes on with what the store still has of it.
      await session.close().catch(() => undefined);
      throw error;
    }
  }

  async #takeBack(digest: Digest): Promise<void> {
    const { store, telemetry } = this.#options;
    try {
      await store.remove(digest);
    } catch (error) {
      // It is found at the next start.
      telemetry.log.error({ digest, ...describeError(error) }, 'a blob without a row was not removed');
    }
  }

  async #discard(session: UploadSession): Promise<void> {
    this.#forget(session);
    try {
      await session.discard();
    } catch (error) {
      // What it leaves behind is found at the next start, and expires then.
      this.#options.telemetry.log.error({ upload: session.id, ...describeError(error) }, 'an upload was not removed');
    }
  }

  #forget(session: UploadSession): void {
    this.#sessions.delete(session.id);
    this.#tellCount();
  }

  #tellCount(): void {
    this.#options.telemetry.uploadsCounted(this.#sessions.size);
  }
}

/** The one that was left first, of those that nobody has worked on since then. */
function longestLeft(sessions: readonly UploadSession[], sinceMs: number): UploadSession | undefined {
  const left = sessions.filter(({ isBusy, isOver, atMs }) => !isBusy && !isOver && atMs < sinceMs);
  return left.toSorted((one, other) => one.atMs - other.atMs)[0];
}

/** Of a disk that is full its client is told so. */
async function translating<Value>(act: () => Promise<Value>): Promise<Value> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof ContentError && error.code === 'STORE_FULL') throw noRoom('disk', error);
    throw toRegistryError(error, 'BLOB_UNKNOWN');
  }
}
