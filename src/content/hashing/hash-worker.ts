import { createHash, type Hash } from 'node:crypto';
import { readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import type { HashReply, HashRequest, HashStep } from './messages.ts';

/** Read at once. Large enough for full speed, small enough to stay in the processor's cache. */
const BUFFER_BYTES = 1024 * 1024;
/** Hashed of one content before the next has its turn. */
const SLICE_BYTES = 8 * BUFFER_BYTES;

interface Job {
  readonly fd: number | undefined;
  readonly hash: Hash;
  readonly steps: HashStep[];
  hashedBytes: number;
}

const port = parentPort;
if (!port) throw new Error('this file is a worker, not a program');

const buffer = new Uint8Array(BUFFER_BYTES);
const jobs = new Map<number, Job>();
let scheduled = false;

port.on('message', (request: HashRequest) => {
  switch (request.kind) {
    case 'start': {
      const { id, fd, algorithm } = request;
      jobs.set(id, { fd, hash: createHash(algorithm), steps: [], hashedBytes: 0 });
      return;
    }
    case 'step': {
      const job = jobs.get(request.id);
      if (!job) return;
      // One that reads further takes the place of one that waits: steps of a file must not pile up.
      if (request.step.kind === 'read' && job.steps.at(-1)?.kind === 'read') job.steps.pop();
      job.steps.push(request.step);
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

/** @returns whether there is more to do now */
function advance(id: number, job: Job): boolean {
  try {
    const sliceEnd = job.hashedBytes + SLICE_BYTES;
    for (let step = job.steps[0]; step; step = job.steps[0]) {
      if (job.hashedBytes >= sliceEnd) return true;
      if (take(id, job, step, sliceEnd)) job.steps.shift();
    }
  } catch (error) {
    jobs.delete(id);
    reply({ kind: 'failed', id, message: (error as Error).message });
  }
  return false;
}

/** @returns whether the step is done */
function take(id: number, job: Job, step: HashStep, sliceEnd: number): boolean {
  switch (step.kind) {
    case 'read':
      read(job, Math.min(step.toBytes, sliceEnd));
      return job.hashedBytes >= step.toBytes;
    case 'bytes':
      job.hash.update(step.bytes);
      job.hashedBytes += step.bytes.length;
      return true;
    case 'tell':
      reply({ kind: 'reached', id });
      return true;
    case 'sum':
      jobs.delete(id);
      reply({ kind: 'hashed', id, hex: job.hash.digest('hex') });
      return true;
  }
}

function read(job: Job, stopAt: number): void {
  while (job.hashedBytes < stopAt) {
    if (job.fd === undefined) throw new Error(`nothing came for ${job.hashedBytes}`);
    const length = readSync(job.fd, buffer, 0, Math.min(BUFFER_BYTES, stopAt - job.hashedBytes), job.hashedBytes);
    if (length === 0) throw new Error(`the file ends at ${job.hashedBytes}, before ${stopAt}`);
    job.hash.update(buffer.subarray(0, length));
    job.hashedBytes += length;
  }
}

function reply(message: HashReply): void {
  port?.postMessage(message);
}
