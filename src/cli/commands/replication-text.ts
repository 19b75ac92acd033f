import type {
  ConflictStatus,
  DiffReport,
  HistoryStatus,
  JobState,
  JobStatus,
  LinkStatus,
  PeerStatus,
  ReplicationStatus,
} from '../../replication/replication-operations.ts';
import { formatAge, formatCount, formatDuration, formatSize, printable } from '../output/format.ts';
import { differenceLine } from './difference-text.ts';

const SHORT = 'sha256:'.length + 12;
const STATES: readonly JobState[] = ['running', 'pending', 'waiting', 'parked', 'held'];

/** How far each rule is with each peer. */
export async function statusText({ links, peers, conflicts }: ReplicationStatus): Promise<string> {
  if (links.length === 0) return 'no rule of replication is configured';
  const { formatTable } = await import('../output/table.ts');
  const blocks = [
    formatTable(
      ['RULE', 'PEER', 'BEHIND', 'JOBS', 'TO SEND', 'SENT', 'STATE'],
      links.map((link) => linkRow(link, peers.find(({ name }) => name === link.peer)?.isUp !== false)),
    ),
    formatTable(['PEER', 'STATE', 'LAST ERROR'], peers.map(peerRow)),
  ];
  if (conflicts > 0) blocks.push(`${formatCount(conflicts, 'conflict')}: see entrepot replication conflicts`);
  return blocks.join('\n\n');
}

export async function jobsText(jobs: readonly JobStatus[]): Promise<string> {
  const { formatTable } = await import('../output/table.ts');
  const rows = jobs.map((job) => [
    `${job.id}`,
    job.rule,
    job.peer,
    `${job.isDeletion ? 'delete ' : ''}${nameOf(job)}`,
    job.state,
    formatAge(job.sinceMs),
    `${job.attempts}`,
    reasonOf(job),
  ]);
  return formatTable(['JOB', 'RULE', 'PEER', 'REFERENCE', 'STATE', 'SINCE', 'TRIES', 'REASON'], rows);
}

export async function historyText(history: readonly HistoryStatus[]): Promise<string> {
  const { formatTable } = await import('../output/table.ts');
  const rows = history.map((entry) => [
    formatAge(entry.startedAtMs + entry.durationMs),
    entry.rule,
    entry.peer,
    nameOf(entry),
    entry.outcome,
    `${(entry.durationMs / 1000).toFixed(1)} s`,
    formatSize(entry.sentBytes),
    entry.error ?? '-',
  ]);
  return formatTable(['ENDED', 'RULE', 'PEER', 'REFERENCE', 'OUTCOME', 'TOOK', 'SENT', 'ERROR'], rows);
}

export async function conflictsText(conflicts: readonly ConflictStatus[]): Promise<string> {
  const { formatTable } = await import('../output/table.ts');
  const rows = conflicts.map(({ atMs, repository, tag, kept, lost }) => [
    formatAge(atMs),
    `${repository}:${tag}`,
    `${kept.digest.slice(0, SHORT)} of ${kept.site}`,
    `${lost.digest} of ${lost.site}`,
  ]);
  return formatTable(['WHEN', 'TAG', 'POINTS AT', 'LOST, KEPT BY DIGEST'], rows);
}

export function diffText({ peer, same, differences, differenceCount, repositories }: DiffReport): string {
  const others = differenceCount - differences.length;
  return [
    ...differences.map(differenceLine),
    ...(others > 0 ? [`and ${others} more`] : []),
    `${peer}: ${formatCount(same, 'tag')} the same in ${repositories === 1 ? '1 repository' : `${repositories} repositories`}, ${formatCount(differenceCount, 'difference')}`,
  ].join('\n');
}

function linkRow(link: LinkStatus, isPeerUp: boolean): string[] {
  const { rule, peer, lagSeconds, jobs, pendingBytes, sentBytes } = link;
  const counted = STATES.flatMap((state) => (jobs[state] > 0 ? [`${jobs[state]} ${state}`] : []));
  return [
    rule,
    peer,
    lagSeconds === 0 ? '-' : formatDuration(Math.max(1, lagSeconds)),
    counted.join(', ') || '-',
    formatSize(pendingBytes),
    formatSize(sentBytes),
    stateOf(link, isPeerUp),
  ];
}

/** What keeps it from going on comes first. The error of a peer that is down stands with the peer. */
function stateOf(
  { isPaused, isOutsideWindow, isSparseRefused, lagSeconds, lastError, jobs }: LinkStatus,
  isPeerUp: boolean,
): string {
  // What is left then are deletions in their time of grace.
  const isLate = isPeerUp && lagSeconds > 0 && jobs.running + jobs.pending + jobs.parked > 0;
  const notes = [
    ...(isPaused ? ['paused'] : []),
    ...(isOutsideWindow ? ['outside its time window'] : []),
    ...(isPeerUp ? [] : ['the peer is down']),
    ...(jobs.parked > 0 ? ['refused by the peer: see entrepot replication jobs --state parked'] : []),
    ...(jobs.held > 0 ? ['deletions wait for entrepot replication approve'] : []),
    ...(isSparseRefused ? ['all platforms: the peer takes no partial index'] : []),
    ...(lastError && isLate ? [`last error ${formatAge(lastError.atMs)}: ${printable(lastError.message)}`] : []),
  ];
  return notes.length === 0 ? 'ok' : notes.join('; ');
}

function reasonOf({ dueAtMs, isDeletion, reason, state }: JobStatus): string {
  const waitMs = state === 'pending' || state === 'waiting' ? dueAtMs - Date.now() : 0;
  const isInGrace = isDeletion && reason === undefined;
  const next = `${isInGrace ? 'in its time of grace, due' : 'tried again'} in ${formatDuration(waitMs / 1000)}`;
  const notes = [...(reason === undefined ? [] : [printable(reason)]), ...(waitMs >= 1000 ? [next] : [])];
  return notes.join('; ') || '-';
}

function peerRow({ name, site, isUp, downSinceMs, error, retryAtMs }: PeerStatus): string[] {
  const known = site === undefined || site === name ? name : `${name} (${site})`;
  const since =
    downSinceMs === undefined ? '' : ` for ${formatDuration(Math.max(1, (Date.now() - downSinceMs) / 1000))}`;
  const next =
    retryAtMs === undefined ? '' : `, tried again in ${formatDuration(Math.max(1, (retryAtMs - Date.now()) / 1000))}`;
  return [known, isUp ? 'ok' : `down${since}${next}`, error ?? '-'];
}

function nameOf({ repository, reference }: { repository: string; reference: string }): string {
  return printable(
    reference.includes(':') ? `${repository}@${reference.slice(0, SHORT)}` : `${repository}:${reference}`,
  );
}
