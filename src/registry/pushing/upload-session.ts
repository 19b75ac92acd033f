import { ContentError } from '../../content/content-error.ts';
import type { ContentStore, Upload } from '../../content/content-store.ts';
import { within } from '../../util/sleep.ts';
import { RegistryError } from '../registry-error.ts';
import type { UploadRoom } from './upload-room.ts';

/** Whose an upload is: nobody else can go on with it, and it goes nowhere else. */
export interface UploadOwner {
  /** The repository's name in full. */
  readonly repository: string;
  /** The principal's name. */
  readonly principal: string;
}

/** An upload as it was begun or found. */
export interface SessionState {
  readonly id: string;
  readonly owner: UploadOwner;
  readonly sizeBytes: number;
  readonly atMs: number;
  /** The space that it takes, and will. */
  readonly room: UploadRoom;
}

/** A client that lost its connection comes back sooner than we notice the loss: so long it waits for its own former request. */
const TURN_MS = 3_000;
/** An upload that nobody works on is closed after this, and opened again when it is needed. */
const OPEN_MS = 30_000;

/** One upload session: who may go on with it, where it stands, and one writer at a time. */
export class UploadSession {
  readonly id: string;
  readonly owner: UploadOwner;
  readonly room: UploadRoom;
  readonly #store: ContentStore;
  #upload: Upload | undefined;
  #sizeBytes: number;
  #atMs: number;
  #turn: Promise<unknown> | undefined;
  #closing: NodeJS.Timeout | undefined;
  #isOver = false;
  #cancelWait: (() => void) | undefined;

  /** @param upload it, if it is open */
  constructor(store: ContentStore, state: SessionState, upload?: Upload) {
    this.#store = store;
    this.id = state.id;
    this.owner = state.owner;
    this.room = state.room;
    this.#sizeBytes = state.sizeBytes;
    this.#atMs = state.atMs;
    this.#upload = upload;
    if (upload) this.#closeLater();
  }

  /** What has arrived. */
  get sizeBytes(): number {
    return this.#upload?.sizeBytes ?? this.#sizeBytes;
  }

  /** When somebody last worked on it, in ms since the epoch. */
  get atMs(): number {
    return this.#atMs;
  }

  /** Somebody works on it now. */
  get isBusy(): boolean {
    return this.#turn !== undefined;
  }

  /** It is stored, thrown away, or lost. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /**
   * Does one piece of work on the upload while nobody else does.
   * @throws RegistryError UPLOAD_BUSY when somebody else does, UPLOAD_UNKNOWN when the upload is over or gone
   */
  async work<Result>(act: (upload: Upload) => Promise<Result>): Promise<Result> {
    if (this.#turn) await within(TURN_MS, this.#turn);
    if (this.#turn) {
      throw new RegistryError('UPLOAD_BUSY', `another request writes to upload ${this.id}`, { retryAfterMs: TURN_MS });
    }
    clearTimeout(this.#closing);
    const done = this.#act(act);
    const turn = done.catch(() => undefined);
    this.#turn = turn;
    try {
      return await done;
    } finally {
      this.#atMs = Date.now();
      this.#turn = undefined;
      if (!this.#isOver) this.#closeLater();
    }
  }

  /** For who works on it: waits for the client, unless the upload is thrown away first. @throws RegistryError UPLOAD_UNKNOWN */
  async unlessCancelled<Value>(waiting: Promise<Value>): Promise<Value> {
    const cancelled = Promise.withResolvers<never>();
    this.#cancelWait = () => cancelled.reject(unknownUpload(this.id));
    // It may have been cancelled while nobody waited for the client.
    if (this.#isOver) this.#cancelWait();
    try {
      const value = await Promise.race([waiting, cancelled.promise]);
      if (this.#isOver) throw unknownUpload(this.id);
      return value;
    } finally {
      this.#cancelWait = undefined;
    }
  }

  /** The upload has become content, or is thrown away: the space is free, or counted as content's. */
  end(): void {
    this.#isOver = true;
    this.#upload = undefined;
    this.room.release();
  }

  /** Throws it away, whoever works on it. @throws ContentError */
  async discard(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelWait?.();
    clearTimeout(this.#closing);
    await this.#turn;
    // Whoever worked on it may have come to its end.
    const upload = this.#upload;
    this.#upload = undefined;
    try {
      await (upload ? upload.discard() : this.#store.discardUpload(this.id));
    } finally {
      this.room.release();
    }
  }

  /** Closes what is open; the bytes stay for later. */
  async close(): Promise<void> {
    clearTimeout(this.#closing);
    const upload = this.#upload;
    if (!upload) return;
    this.#sizeBytes = upload.sizeBytes;
    this.#upload = undefined;
    await upload[Symbol.asyncDispose]();
  }

  async #act<Result>(act: (upload: Upload) => Promise<Result>): Promise<Result> {
    if (this.#isOver) throw unknownUpload(this.id);
    const upload = (this.#upload ??= await this.#store.resumeUpload(this.id));
    if (!upload) {
      this.end();
      throw unknownUpload(this.id);
    }
    return act(upload);
  }

  #closeLater(): void {
    this.#closing = setTimeout(() => void this.#closeSoon(), OPEN_MS).unref();
  }

  async #closeSoon(): Promise<void> {
    if (this.#turn || this.#isOver) return;
    const closing = this.close();
    const turn = closing.catch((error: unknown) => {
      // The next one who needs it finds out what is wrong with it.
      if (!(error instanceof ContentError)) throw error;
    });
    this.#turn = turn;
    await turn;
    this.#turn = undefined;
  }
}

/** There is no such upload, or it is none of this client's: which of the two is not told. */
export function unknownUpload(id: string): RegistryError {
  return new RegistryError('UPLOAD_UNKNOWN', `there is no upload ${id} here`);
}
