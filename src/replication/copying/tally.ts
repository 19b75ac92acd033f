/** What a job has come to so far. */
export class Tally {
  /** Of blobs and manifests. */
  sentBytes = 0;
  sentBlobs = 0;
  mountedBlobs = 0;
  presentBlobs = 0;
  sentManifests = 0;
  isSparseRefused = false;
  readonly #onSent: (bytes: number) => void;

  constructor(onSent: (bytes: number) => void) {
    this.#onSent = onSent;
  }

  /** Bytes were handed to the network. */
  sent(bytes: number): void {
    this.sentBytes += bytes;
    this.#onSent(bytes);
  }

  /** Does the peer have anything by this job that it did not have before? */
  get hasChanged(): boolean {
    return this.sentManifests + this.sentBlobs + this.mountedBlobs > 0;
  }
}
