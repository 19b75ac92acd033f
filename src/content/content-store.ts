import type { Digest } from '../oci/digest.ts';
import type { Interval } from '../util/interval-set.ts';

/** An open piece of content. Reading goes on to work when the content is removed meanwhile. */
export interface ContentFile extends AsyncDisposable {
  readonly sizeBytes: number;
  /** Fills the buffer from that offset on, and says how many bytes it got: fewer only at the end. */
  read(buffer: Uint8Array, positionBytes: number): Promise<number>;
}

/** Content that is in the store, by digest. Whatever is in it was verified before. */
interface ContentReader {
  /** Undefined when the store does not have it. */
  open(digest: Digest): Promise<ContentFile | undefined>;
  /** Digests of all content, in byte order. */
  list(): AsyncIterable<Digest>;
  /** The disk below: bytes free for us, and in total. */
  space(): Promise<{ freeBytes: number; totalBytes: number }>;
}

/** Putting content into the store and taking it out. */
interface ContentWriter {
  /** Stores bytes that are known to match the digest. Durable when it returns. */
  put(digest: Digest, bytes: Uint8Array): Promise<void>;
  remove(digest: Digest): Promise<void>;
  /** Starts to take in content piece by piece, or goes on where an interrupted ingest of the same digest stopped. */
  ingest(digest: Digest): Promise<Ingest>;
  /** Ingests that an earlier run of the program left unfinished, with the origin each was given. */
  interrupted(): Promise<{ digest: Digest; origin: string }[]>;
  /** Re-hashes stored content: does it still match its digest? */
  verify(digest: Digest): Promise<boolean>;
}

/** The store of bytes by digest: a port, since a second one on object storage will stand beside the disk. */
export interface ContentStore extends ContentReader, ContentWriter, AsyncDisposable {}

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
  write(chunks: readonly Uint8Array[], positionBytes: number): Promise<void>;
  /** A way to read what has arrived, which goes on to work when the ingest is disposed. */
  openReader(): ContentFile;
  /** Once all has arrived: does it hash to the digest? Hashing has followed the pieces, so this is soon known. */
  verify(): Promise<boolean>;
  /** Makes it content of the store, durably. Only after {@link verify}. Dispose it afterwards. */
  commit(): Promise<void>;
  /** Throws the pieces away. */
  discard(): Promise<void>;
}

/** The parts of an interval set that only look. */
export interface ReadonlyPieces {
  readonly size: number;
  toJSON(): readonly Interval[];
  endFrom(position: number): number;
  firstGap(from: number, limit: number): Interval | undefined;
}
