import { type Reference, parseReference } from '../../oci/reference.ts';
import { isRepositoryPath } from '../../oci/repository.ts';
import type { LocalContent } from '../../registry/local-content.ts';
import { attachedTo } from '../../registry/pushing/choose-expired.ts';
import { RegistryError, toRegistryError } from '../../registry/registry-error.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import { UpstreamError } from '../../upstream/upstream-error.ts';
import type { PeerLimits, ReplicationRule } from '../rule.ts';
import { compileRule, type CompiledRule } from './compiled-rule.ts';
import { copyJob } from './copy-job.ts';
import type { CopiedReference } from './copy-reference.ts';
import type { CopyIndex, CopyTask } from './copy-task.ts';
import type { Copy, CopyRequest, CopyResult } from './copy.ts';
import { deleteReference } from './delete-reference.ts';
import { PeerMemory } from './peer-memory.ts';
import { Tally } from './tally.ts';
import { UploadSessions } from './upload-sessions.ts';

export interface CopyParts {
  readonly index: CopyIndex;
  readonly local: LocalContent;
  readonly telemetry: Telemetry;
  /** Our own name. */
  readonly site: string;
  /** Those that are sent to. */
  readonly peers: readonly Pick<PeerLimits, 'name' | 'maxConnections'>[];
}

/** For a peer of which nothing is said. */
const DEFAULT_CONNECTIONS = 4;
/** People read it. */
const MAX_MISSING = 3;

/** Copying from this site's index and store. What is learnt of a peer is shared by all jobs, and forgotten with it. */
export function createCopy(parts: CopyParts): Copy {
  const memories = new Map<string, PeerMemory>();
  const rules = new WeakMap<ReplicationRule, CompiledRule>();
  const memoryOf = (name: string): PeerMemory => {
    const limits = parts.peers.find((peer) => peer.name === name);
    const memory =
      memories.get(name) ?? new PeerMemory({ maxConnections: limits?.maxConnections ?? DEFAULT_CONNECTIONS });
    memories.set(name, memory);
    return memory;
  };
  const ruleOf = (rule: ReplicationRule): CompiledRule => {
    const compiled = rules.get(rule) ?? compileRule(rule);
    rules.set(rule, compiled);
    return compiled;
  };
  return async (request) => {
    try {
      const task = taskOf(parts, request, memoryOf(request.peer.name), ruleOf(request.rule));
      return await run(task, request);
    } catch (error) {
      throw error instanceof UpstreamError ? error : toRegistryError(error, 'MANIFEST_UNKNOWN');
    }
  };
}

async function run(task: CopyTask, { job }: CopyRequest): Promise<CopyResult> {
  const reference = parseReference(job.reference);
  if (!reference) throw new RegistryError('MANIFEST_UNKNOWN', `"${job.reference}" is neither a tag nor a digest`);
  // A job may be older than what the rule says by now.
  if (!isRuleAbout(task, reference)) return resultOf(task, { outcome: 'present', digest: job.deleted });
  if (job.deleted !== undefined && !(await isHere(task, reference))) {
    const outcome = task.rule.scope.rule.deletes ? await deleteReference(task, reference) : 'present';
    return resultOf(task, { outcome, digest: job.deleted });
  }
  const copied = await copyJob(task, reference);
  return resultOf(task, { ...describe(task, copied), digest: copied.digest });
}

function isRuleAbout({ rule: { scope }, repository }: CopyTask, reference: Reference): boolean {
  if (!scope.takesRepository(repository)) return false;
  return reference.kind === 'digest' || scope.takesTag(reference.tag) || attachedTo(reference.tag) !== undefined;
}

function describe({ tally }: CopyTask, { outcome, missing }: CopiedReference): Pick<CopyResult, 'outcome' | 'missing'> {
  if (outcome === 'incomplete') {
    const more = missing.length > MAX_MISSING ? ` and ${missing.length - MAX_MISSING} more` : '';
    return { outcome, missing: missing.slice(0, MAX_MISSING).join(', ') + more };
  }
  if (outcome !== 'done') return { outcome };
  return { outcome: tally.hasChanged ? 'copied' : 'present' };
}

function resultOf({ tally }: CopyTask, what: Pick<CopyResult, 'outcome' | 'digest' | 'missing'>): CopyResult {
  const { sentBytes, sentBlobs, mountedBlobs, presentBlobs, isSparseRefused } = tally;
  return { ...what, sentBytes, sentBlobs, mountedBlobs, presentBlobs, isSparseRefused };
}

async function isHere({ index, repository }: CopyTask, reference: Reference): Promise<boolean> {
  const found =
    reference.kind === 'tag'
      ? await index.findTagState(repository, reference.tag)
      : await index.findManifest(repository, reference.digest);
  return found !== undefined;
}

function taskOf(parts: CopyParts, request: CopyRequest, memory: PeerMemory, rule: CompiledRule): CopyTask {
  const { job, peer, pace, signal, mayFetch, onSent, saveProgress } = request;
  const { repository } = job;
  const path = rule.scope.nameAtPeer(repository);
  if (!isRepositoryPath(path)) {
    throw new RegistryError('NAME_UNKNOWN', `"${path}" can be no repository's name at ${peer.name}`);
  }
  return {
    ...parts,
    repository,
    path,
    rule,
    link: { rule: request.rule, peer, pace },
    peer,
    memory,
    sessions: new UploadSessions({ stored: job.progress, save: saveProgress, memory, path }),
    tally: new Tally(onSent),
    mayFetch,
    signal,
    call: { signal, pace },
    origin: { site: parts.site, sequence: job.sequence, clock: { ms: job.sinceMs, count: 0 } },
  };
}
