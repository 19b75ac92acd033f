import type { UpstreamOverrides } from '../../../src/upstream/create-upstream.ts';
import { createPeer, type PeerOptions } from '../../../src/upstream/create-peer.ts';
import type { BlobToPush, Pace, Peer } from '../../../src/upstream/peer.ts';
import type { Telemetry } from '../../../src/telemetry/telemetry.ts';
import { sha256 } from '../../support/bytes.ts';
import { digest, quietTelemetry } from '../connect.ts';

/** A peer at `url`, silent, with metrics of its own unless others are given. */
export function connectPeer(
  url: string,
  options: Partial<PeerOptions> = {},
  { telemetry = quietTelemetry(), ...overrides }: UpstreamOverrides & { telemetry?: Telemetry } = {},
): Peer {
  return createPeer(
    {
      name: 'us-east',
      url: new URL(url),
      allowHosts: [],
      timeouts: { connectMs: 5000, headersMs: 5000, stallMs: 5000 },
      retries: 2,
      manifestLimitBytes: 4 * 1024 * 1024,
      userAgent: 'entrepot-test/1.0',
      ...options,
    },
    telemetry,
    overrides,
  );
}

/** A blob to be pushed, and what became known of it. */
export class TestBlob implements BlobToPush {
  readonly bytes: Buffer;
  readonly digest: BlobToPush['digest'];
  /** What was told to be kept, in order. */
  readonly sessions: (string | undefined)[] = [];
  /** Where it was read from, in order. */
  readonly reads: number[] = [];
  sentBytes = 0;
  /** Told before anything is noted. */
  watch: { readonly session?: () => void; readonly sent?: () => void } = {};
  /** Readings that were begun and not ended. */
  openReads = 0;
  session?: string;

  constructor(bytes: Buffer, expected = digest(sha256(bytes))) {
    this.bytes = bytes;
    this.digest = expected;
  }

  get sizeBytes(): number {
    return this.bytes.length;
  }

  async *read(startBytes: number): AsyncGenerator<Uint8Array> {
    this.reads.push(startBytes);
    this.openReads += 1;
    try {
      for (let start = startBytes; start < this.bytes.length; start += CHUNK_BYTES) {
        yield this.bytes.subarray(start, start + CHUNK_BYTES);
      }
    } finally {
      this.openReads -= 1;
    }
  }

  async onSession(session: string | undefined): Promise<void> {
    this.watch.session?.();
    this.sessions.push(session);
    if (session === undefined) delete this.session;
    else this.session = session;
  }

  onSent(bytes: number): void {
    this.watch.sent?.();
    this.sentBytes += bytes;
  }
}

const CHUNK_BYTES = 1024 * 1024;

/** Counts what it is asked for, and lets it go at once. */
export class CountingPace implements Pace {
  readonly taken: number[] = [];

  async take(bytes: number): Promise<void> {
    this.taken.push(bytes);
  }

  get sum(): number {
    return this.taken.reduce((sum, bytes) => sum + bytes, 0);
  }
}
