import type { Digest, DigestAlgorithm } from '../oci/digest.ts';
import type { Interval } from '../util/interval-set.ts';

/** An open piece of content. Reading goes on to work when the content is removed meanwhile. */
export interface ContentFile extends AsyncDisposable {
  readonly sizeBytes: number;
  /** When it or what its name stands for last changed, in ms since the epoch; undefined where the store cannot tell. */
  readonly modifiedAtMs: number | undefined;
  /** Fills the buffer from that offset on, and says how many bytes it got: fewer only at the end. */
  read(buffer: Uint8Array, positionBytes: number): Promise<number>;
}

/** Content that is in the store, by digest. Whatever is in it was verified before. */
interface ContentReader {
  /** Undefined when the store does not have it. */
  open(digest: Digest): Promise<ContentFile | undefined>;
  /** Digests of all content, in byte order. */
  list(): AsyncIterable<Digest>;
  /**
   * The disk below: bytes free for us, in total, and taken by what the store needs to keep its content in order, or cannot
   * get rid of.
   */
  space(): Promise<{ freeBytes: number; totalBytes: number; folderBytes: number }>;
}

/** Putting content into the store and taking it out. */
interface ContentWriter {
  /** Stores bytes that are known to match the digest. Durable when it returns. */
  put(digest: Digest, bytes: Uint8Array): Promise<void>;
  remove(digest: Digest): Promise<void>;
  /**
   * Starts to take in content piece by piece, or goes on where an interrupted ingest of the same digest stopped.
   * @throws ContentError also when an ingest of that digest is under way
   */
  ingest(digest: Digest): Promise<Ingest>;
  /**
   * Starts to take in content of which nothing is kept: {@link Ingest.pass} takes its bytes, so that they are hashed,
   * and `write` is refused. It touches no disk.
   */
  passThrough(digest: Digest): Ingest;
}

/** An ingest that is not under way: it was left unfinished, and nobody has asked for it since. */
export interface InterruptedIngest {
  readonly digest: Digest;
  /** The word that {@link Ingest.describe} was given. */
  readonly origin: string;
  /** What its pieces take on the disk. */
  readonly sizeBytes: number;
  /** When a piece last came, in ms since the epoch. */
  readonly atMs: number;
}

/** Something in the store that is no content: damaged files that were put aside, and what a crash left half-written. */
export interface Debris {
  readonly name: string;
  readonly kind: 'quarantined' | 'temporary';
  readonly sizeBytes: number;
  readonly atMs: number;
}

/** `damaged`: other bytes than its digest says, or unreadable. */
export type Verdict = 'intact' | 'missing' | 'damaged';

/** Looking after what is in the store. */
interface ContentUpkeep {
  /**
   * Re-hashes stored content: does it still match its digest?
   * @param pace how many bytes a second may be read; no limit if not given. The signal ends it: it throws its reason
   */
  verify(digest: Digest, pace?: { bytesPerSecond?: number; signal?: AbortSignal }): Promise<Verdict>;
  /** Puts damaged content aside, for its operator to look at: it is content no more. At most a few files are kept. */
  quarantine(digest: Digest): Promise<void>;
  /** Ingests that are not under way, in no order. What cannot be taken up again is cleared away. */
  interrupted(): Promise<InterruptedIngest[]>;
  /** Throws away the pieces of an ingest that is not under way. @throws ContentError also when it is */
  discardInterrupted(digest: Digest): Promise<void>;
  debris(): Promise<Debris[]>;
  /** Nothing happens when it is gone. @throws ContentError also for a name that {@link debris} does not give */
  removeDebris(name: string): Promise<void>;
}

/** An upload, open or not. */
export interface UploadState {
  readonly id: string;
  /** The word given at its start. */
  readonly note: string;
  /** What has arrived. */
  readonly sizeBytes: number;
  /** When the last of its bytes came, in ms since the epoch. */
  readonly atMs: number;
  readonly isOpen: boolean;
}

/** Taking in content whose digest is told at the end. */
interface ContentUploads {
  /**
   * @param note a word for whoever goes on with it: it is as durable as the bytes
   * @param algorithm what its digest will probably be of; another one costs reading it once more
   */
  startUpload(note: string, algorithm?: DigestAlgorithm): Promise<Upload>;
  /** Goes on with an upload that is not open. Undefined: there is none of that id. @throws ContentError also when it is open */
  resumeUpload(id: string): Promise<Upload | undefined>;
  /** In no order. What cannot be gone on with is not among them. */
  listUploads(): Promise<UploadState[]>;
  /** Throws away one that is not open. @throws ContentError when it is open; nothing happens when it is gone */
  discardUpload(id: string): Promise<void>;
}

/** The store of bytes by digest: a port, since a second one on object storage will stand beside the disk. */
export interface ContentStore extends ContentReader, ContentWriter, ContentUploads, ContentUpkeep, AsyncDisposable {}

/**
 * Content being taken in: pieces arrive in any order and can be read as soon as they are there. What has arrived
 * survives a crash. Disposing leaves the pieces for the next {@link ContentWriter.ingest}.
 */
export interface Ingest extends AsyncDisposable {
  readonly digest: Digest;
  /** What has arrived. */
  readonly have: ReadonlyPieces;
  /** Size of the whole, once known. */
  readonly totalBytes: number | undefined;
  /** Notes the size and a word on where the pieces come from, for whoever resumes. */
  describe(totalBytes: number, origin: string): void;
  /** When it fails, none of these bytes count as arrived; what arrived before does, and the ingest can go on. */
  write(chunks: readonly Uint8Array[], positionBytes: number): Promise<void>;
  /**
   * Takes bytes that will not be kept: they count as arrived and are hashed, but no reader finds them and there can be no
   * {@link commit} any more. Only where the contiguous prefix of what has arrived ends. @throws ContentError elsewhere
   */
  pass(chunks: readonly Uint8Array[], positionBytes: number): void;
  /** A way to read what has arrived, which goes on to work when the ingest is disposed. */
  openReader(): ContentFile;
  /**
   * Once all has arrived: does it hash to the digest? Hashing has followed the pieces, so this is soon known.
   * @throws ContentError it could not be hashed, which says nothing about the bytes
   */
  verify(): Promise<boolean>;
  /** Makes it content of the store, durably. Only after {@link verify}. Dispose it afterwards. */
  commit(): Promise<void>;
  /** Throws the pieces away. */
  discard(): Promise<void>;
}

/**
 * Content being taken in whose digest is told at the end: a client's push. Bytes come in order. What has arrived survives a
 * crash. Disposing leaves it for the next {@link ContentUploads.resumeUpload}.
 */
export interface Upload extends AsyncDisposable {
  /** 128 random bits in hex: who does not know it can't guess it. */
  readonly id: string;
  /** The word given at its start. */
  readonly note: string;
  /** What has arrived: the next byte goes there. */
  readonly sizeBytes: number;
  /**
   * Appends bytes. When it fails, none of these count as arrived, nor any that were to come behind them already, and the
   * upload can go on. Best for large pieces: each is a call of the system. @throws ContentError
   */
  append(chunks: readonly Uint8Array[]): Promise<void>;
  /**
   * Does all of it hash to the digest? Hashing has followed the bytes, so this is soon known. More may be appended
   * afterwards. @throws ContentError it could not be hashed, which says nothing about the bytes
   */
  verify(digest: Digest): Promise<boolean>;
  /**
   * Makes it content of the store, durably; the upload is over. Only after {@link verify} said that it is that.
   * @throws ContentError nothing more can be done with it then but to dispose of it: what is not lost can be gone on with
   */
  commit(digest: Digest): Promise<void>;
  /** Throws the bytes away; the upload is over. */
  discard(): Promise<void>;
}

/** The parts of an interval set that only look. */
export interface ReadonlyPieces {
  readonly size: number;
  toJSON(): readonly Interval[];
  endFrom(position: number): number;
  firstGap(from: number, limit: number): Interval | undefined;
}
