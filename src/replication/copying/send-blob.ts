import type { Digest } from '../../oci/digest.ts';
import type { LocalBlob } from '../../registry/local-content.ts';
import type { BlobToPush } from '../../upstream/peer.ts';
import { UpstreamError } from '../../upstream/upstream-error.ts';
import type { CopyTask } from './copy-task.ts';
import { findBlob } from './find-content.ts';
import { inTurn } from './in-turn.ts';

/** What was found at the peer or done there; `missing`: it is not there, and not here. */
export type BlobOutcome =
  | { readonly kind: 'present' | 'mounted' | 'sent' }
  | { readonly kind: 'missing'; readonly reason?: string };

const PIECE_BYTES = 512 * 1024;
/** Repositories that a blob is mounted from before it is sent. */
const MAX_MOUNTS = 2;

/**
 * Sees to it that the peer's repository has a blob: asks for it, mounts it, or sends it. Jobs that need the same one at the
 * same peer take turns, so that it is sent once.
 * @throws UpstreamError, RegistryError
 */
export async function sendBlob(task: CopyTask, digest: Digest): Promise<BlobOutcome> {
  const { memory, signal, path, tally } = task;
  const outcome = await inTurn(
    (hold) => memory.turns.run(digest, hold),
    signal,
    async (): Promise<BlobOutcome> => {
      const known = await inSlot(task, () => findThere(task, digest));
      if (known) return { kind: known };
      const { found, reason } = await findBlob(task, digest);
      if (!found) return { kind: 'missing', ...(reason !== undefined && { reason }) };
      await using blob = found;
      return (await inSlot(task, () => push(task, digest, blob))) ? { kind: 'sent' } : { kind: 'missing' };
    },
  );
  if (outcome.kind === 'missing') return outcome;
  memory.noteHolder(digest, path);
  if (outcome.kind === 'present') tally.presentBlobs += 1;
  else if (outcome.kind === 'mounted') tally.mountedBlobs += 1;
  else tally.sentBlobs += 1;
  return outcome;
}

function inSlot<Value>({ memory, signal }: CopyTask, work: () => Promise<Value>): Promise<Value> {
  return inTurn((hold) => memory.slots(hold), signal, work);
}

async function findThere(task: CopyTask, digest: Digest): Promise<'present' | 'mounted' | undefined> {
  const { peer, path, memory, call } = task;
  if (await peer.hasBlob(path, digest, call)) return 'present';
  memory.forgetHolder(digest, path);
  for (const from of memory.holdersOf(digest).slice(0, MAX_MOUNTS)) {
    if (await mount(task, digest, from)) return 'mounted';
    memory.forgetHolder(digest, from);
  }
  // A site looks for it in all its repositories that we may read.
  const isMounted = (await memory.isEntrepot(peer, call)) && (await mount(task, digest, undefined));
  return isMounted ? 'mounted' : undefined;
}

/** Where it may not be mounted it is sent. */
async function mount({ peer, path, call }: CopyTask, digest: Digest, from: string | undefined): Promise<boolean> {
  try {
    return await peer.mountBlob(path, digest, from, call);
  } catch (error) {
    if (isAboutRequest(error)) return false;
    throw error;
  }
}

/** @returns false: what was read here is not what it should be, and it is not here any more */
async function push(task: CopyTask, digest: Digest, content: LocalBlob): Promise<boolean> {
  const { peer, path, call, sessions, tally, local } = task;
  const { sizeBytes } = content;
  // What fails on our side is not the peer's fault, whatever becomes of it on its way through the client.
  let failure: { readonly error: unknown } | undefined;
  const ours = async <Value>(work: () => Promise<Value>): Promise<Value> => {
    try {
      return await work();
    } catch (error) {
      failure ??= { error };
      throw error;
    }
  };
  const session = sessions.find(digest);
  const blob: BlobToPush = {
    digest,
    sizeBytes,
    read: (startBytes) => piecesOf(content, startBytes, ours),
    onSession: (next) => ours(() => sessions.keep(digest, sizeBytes, next)),
    onSent: (bytes) => tally.sent(bytes),
    ...(session !== undefined && { session }),
  };
  try {
    await peer.pushBlob(path, blob, call);
  } catch (error) {
    if (failure) throw failure.error;
    if (isAboutBytes(error) && !(await local.isIntact(digest))) return false;
    throw error;
  }
  await sessions.keep(digest, sizeBytes, undefined);
  return true;
}

async function* piecesOf(
  content: LocalBlob,
  startBytes: number,
  ours: <Value>(work: () => Promise<Value>) => Promise<Value>,
): AsyncGenerator<Uint8Array, void> {
  for (let position = startBytes; position < content.sizeBytes; ) {
    // Each piece has a buffer of its own: the last one may still be on its way out.
    const buffer = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, content.sizeBytes - position));
    const read = await ours(() => content.read(buffer, position));
    position += read;
    yield buffer.subarray(0, read);
  }
}

/** Does the peer mind what was sent, so that it is worth looking at again? */
function isAboutBytes(error: unknown): boolean {
  return error instanceof UpstreamError && error.code === 'REFUSED' && error.status === 400;
}

/** Does the peer mind this request, and not all of them? */
function isAboutRequest(error: unknown): boolean {
  return error instanceof UpstreamError && ['REFUSED', 'DENIED', 'NOT_FOUND'].includes(error.code);
}
