import { createHash, type Hash } from 'node:crypto';
import { readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import type { HashReply, HashRequest } from './messages.ts';

/** Read at once. Large enough for full speed, small enough to stay in the processor's cache. */
const BUFFER_BYTES = 1024 * 1024;
/** Hashed of one file before the next file has its turn. */
const SLICE_BYTES = 8 * BUFFER_BYTES;

interface Job {
  readonly fd: number;
  readonly hash: Hash;
  hashedBytes: number;
  targetBytes: number;
  final: boolean;
}

const port = parentPort;
if (!port) throw new Error('this file is a worker, not a program');

const buffer = new Uint8Array(BUFFER_BYTES);
const jobs = new Map<number, Job>();
let scheduled = false;

port.on('message', (request: HashRequest) => {
  switch (request.kind) {
    case 'start':
      jobs.set(request.id, {
        fd: request.fd,
        hash: createHash(request.algorithm),
        hashedBytes: 0,
        targetBytes: 0,
        final: false,
      });
      return;
    case 'advance': {
      const job = jobs.get(request.id);
      if (!job) return;
      job.targetBytes = request.toBytes;
      job.final = request.final;
      schedule();
      return;
    }
    case 'stop':
      jobs.delete(request.id);
      reply({ kind: 'stopped', id: request.id });
  }
});

/** One slice at a time, so that messages are heard and all jobs advance. */
function schedule(): void {
  if (scheduled) return;
  scheduled = true;
  setImmediate(() => {
    scheduled = false;
    let more = false;
    for (const [id, job] of jobs) more = advance(id, job) || more;
    if (more) schedule();
  });
}

function advance(id: number, job: Job): boolean {
  const stopAt = Math.min(job.targetBytes, job.hashedBytes + SLICE_BYTES);
  try {
    while (job.hashedBytes < stopAt) {
      const read = readSync(job.fd, buffer, 0, Math.min(BUFFER_BYTES, stopAt - job.hashedBytes), job.hashedBytes);
      if (read === 0) throw new Error(`the file ends at ${job.hashedBytes}, before ${job.targetBytes}`);
      job.hash.update(buffer.subarray(0, read));
      job.hashedBytes += read;
    }
  } catch (error) {
    jobs.delete(id);
    reply({ kind: 'failed', id, message: (error as Error).message });
    return false;
  }
  if (job.hashedBytes < job.targetBytes) return true;
  if (job.final) {
    jobs.delete(id);
    reply({ kind: 'hashed', id, hex: job.hash.digest('hex') });
  }
  return false;
}

function reply(message: HashReply): void {
  port?.postMessage(message);
}
