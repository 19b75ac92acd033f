import { randomUUID } from 'node:crypto';

/** What has come of one blob. */
export interface PushUpload {
  readonly id: string;
  readonly repository: string;
  readonly chunks: Buffer[];
  sizeBytes: number;
}

/** The upload sessions of a registry. */
export class PushUploads {
  readonly #all = new Map<string, PushUpload>();

  get size(): number {
    return this.#all.size;
  }

  begin(repository: string): PushUpload {
    const upload: PushUpload = { id: randomUUID(), repository, chunks: [], sizeBytes: 0 };
    this.#all.set(upload.id, upload);
    return upload;
  }

  find(repository: string, id: string): PushUpload | undefined {
    const upload = this.#all.get(id);
    return upload?.repository === repository ? upload : undefined;
  }

  append(upload: PushUpload, bytes: Buffer): void {
    upload.chunks.push(Buffer.from(bytes));
    upload.sizeBytes += bytes.length;
  }

  end({ id }: PushUpload): void {
    this.#all.delete(id);
  }

  /** Forgets all of them. */
  clear(): void {
    this.#all.clear();
  }
}
