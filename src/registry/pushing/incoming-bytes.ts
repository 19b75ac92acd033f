/** Bytes of an upload as a client sends them. */
export interface IncomingBytes {
  /** How many there are; undefined when the client does not tell. */
  readonly sizeBytes: number | undefined;
  /** Where the client says that they belong. */
  readonly range: UploadRange | undefined;
  /**
   * What has come since the last call, as soon as there is something; undefined at the end. It is good until the next call.
   * @throws RegistryError UPLOAD_INVALID when the client went, or has stopped sending
   */
  next(): Promise<readonly Uint8Array[] | undefined>;
}

/** A stretch of an upload: its first byte and the byte after its last. */
export interface UploadRange {
  readonly startBytes: number;
  readonly endBytes: number;
}
