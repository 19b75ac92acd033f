import { type FileHandle, mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Operations } from '../../registry/operations/operations.ts';
import type { Answer, StreamedBody } from '../answer.ts';

const CHUNK_BYTES = 256 * 1024;

/** A copy of the index, made in a temporary file of this folder and sent from there. */
export async function backupAnswer(operations: Operations, folder: string): Promise<Answer> {
  await mkdir(folder, { recursive: true });
  // Nobody else may read the copy, wherever that folder is.
  const own = await mkdtemp(join(folder, 'entrepot-backup-'));
  const path = join(own, 'index.sqlite');
  try {
    await operations.backup(path);
    const file = await open(path, 'r');
    const { size } = await file.stat();
    return {
      status: 200,
      headers: {
        'Content-Type': 'application/vnd.sqlite3',
        'Content-Disposition': 'attachment; filename="index.sqlite"',
        'Content-Length': size,
      },
      body: new FileBody(file),
    };
  } finally {
    // It is read without its name: however sending ends, by a crash too, nothing of it stays.
    await rm(own, { recursive: true, force: true });
  }
}

class FileBody implements StreamedBody {
  readonly #file: FileHandle;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async write(response: ServerResponse, onBytes: (bytes: number) => void): Promise<void> {
    const stream = this.#file.createReadStream({ autoClose: false, highWaterMark: CHUNK_BYTES });
    stream.on('data', (chunk) => onBytes(chunk.length));
    await pipeline(stream, response);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}
