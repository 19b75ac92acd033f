import type { Command } from 'commander';
import type {
  DiskReport,
  FillStatus,
  HitRatio,
  StatusReport,
  UpstreamStatus,
  WebhookStatus,
} from '../../registry/operations/operations.ts';
import type { ReplicationStatus } from '../../replication/replication-operations.ts';
import { adminCommand, type AdminOptions, connect } from '../admin/admin-command.ts';
import { formatCount, formatDuration, formatShare, formatSize } from '../output/format.ts';
import { show } from '../output/show.ts';
import { statusText as replicationText } from './replication-text.ts';
import { describeScrub } from './scrub.ts';

/** Adds `status`. */
export function addStatus(program: Command): void {
  adminCommand(program, 'status', 'say how the mirror is: disk, hits, upstreams, downloads').action(
    async (options: AdminOptions) => {
      const client = await connect(options);
      await show(await client.status(), options, statusText);
    },
  );
}

async function statusText(status: StatusReport & { readonly replication: ReplicationStatus }): Promise<string> {
  const { formatTable } = await import('../output/table.ts');
  const { site, version, uptimeSeconds, lookups, upstreams, fills, webhooks } = status;
  const facts = [
    ['Site', `${site}, entrepot ${version}, up ${formatDuration(uptimeSeconds)}`],
    ...diskFacts(status.disk),
    ['Manifests', describeHits(lookups.manifest)],
    ['Blobs', describeHits(lookups.blob)],
    ['Scrub', describeScrub(status.scrub)],
  ] as const;
  const width = Math.max(...facts.map(([name]) => name.length));
  const blocks = [facts.map(([name, fact]) => `${name.padEnd(width)}   ${fact}`).join('\n')];
  if (upstreams.length > 0) {
    blocks.push(formatTable(['UPSTREAM', 'STATE', 'CONTENT', 'RATE LIMIT'], upstreams.map(upstreamRow)));
  }
  if (fills.length > 0) {
    blocks.push(formatTable(['DOWNLOAD', 'REPOSITORY', 'RECEIVED', 'CLIENTS', 'SINCE'], fills.map(fillRow)));
  }
  if (webhooks.length > 0) {
    blocks.push(formatTable(['WEBHOOK', 'NOT YET TOLD', 'SINCE', 'LAST ERROR'], webhooks.map(webhookRow)));
  }
  if (status.replication.links.length > 0) blocks.push(await replicationText(status.replication));
  return blocks.join('\n\n');
}

function diskFacts(disk: DiskReport): (readonly [string, string])[] {
  const { contentBytes, blobs, inFlightBytes, otherBytes, quotaBytes } = disk;
  const usedBytes = contentBytes + inFlightBytes + otherBytes;
  const evicting = disk.isEvicting ? ', evicting' : '';
  const quota =
    quotaBytes === undefined ? 'none' : `${formatShare(usedBytes, quotaBytes)} of ${formatSize(quotaBytes)} used`;
  return [
    [
      'Content',
      `${formatSize(contentBytes)} in ${formatCount(blobs, 'blob')}, ${formatSize(disk.pinnedBytes)} of it pinned`,
    ],
    ['Other', `${formatSize(inFlightBytes)} in flight, ${formatSize(otherBytes)} index and damaged files`],
    ['Quota', `${quota}${evicting}`],
    [
      'Disk',
      `${formatSize(disk.freeBytes)} of ${formatSize(disk.totalBytes)} free, ${formatSize(disk.minFreeBytes)} to stay free`,
    ],
  ];
}

function describeHits({ hits, misses }: HitRatio): string {
  const all = hits + misses;
  return all === 0 ? 'nothing was asked for' : `${formatShare(hits, all)} hits of ${formatCount(all, 'request')}`;
}

function upstreamRow(upstream: UpstreamStatus): string[] {
  const { contentBytes, quotaBytes } = upstream;
  const quota = quotaBytes === undefined ? '' : ` of ${formatSize(quotaBytes)}`;
  return [upstream.name, stateOf(upstream), `${formatSize(contentBytes)}${quota}`, rateLimitOf(upstream)];
}

function stateOf(upstream: UpstreamStatus): string {
  const silent = (upstream.siblings ?? []).filter((sibling) => sibling.isBreakerOpen).map(({ name }) => name);
  const state = ownStateOf(upstream);
  return silent.length === 0 ? state : `${state}; siblings held back: ${silent.join(', ')}`;
}

function ownStateOf({ isOffline, isBreakerOpen, accounts }: UpstreamStatus): string {
  if (isOffline) return 'offline';
  if (isBreakerOpen) return 'failing, held back';
  if (accounts.length === 0 || accounts.some(({ blockedForMs }) => blockedForMs === 0)) return 'ok';
  const soonestMs = Math.min(...accounts.map(({ blockedForMs }) => blockedForMs));
  return `rate limit reached, left alone for ${formatDuration(Math.max(1, soonestMs / 1000))}`;
}

function rateLimitOf({ accounts }: UpstreamStatus): string {
  const limits = accounts.flatMap(({ username = 'anonymous', limit, remaining }) =>
    limit === undefined || remaining === undefined ? [] : [`${username}: ${remaining} of ${limit} left`],
  );
  return limits.length === 0 ? '-' : limits.join(', ');
}

function fillRow({ digest, repository, sizeBytes, receivedBytes, readers, seconds, isKept }: FillStatus): string[] {
  const of = sizeBytes === undefined ? '' : ` of ${formatSize(sizeBytes)}`;
  const received = `${formatSize(receivedBytes)}${of}${isKept ? '' : ', not kept'}`;
  return [digest.slice(0, 'sha256:'.length + 12), repository, received, `${readers}`, formatDuration(seconds)];
}

function webhookRow({ name, pendingEvents, pendingSinceMs, error }: WebhookStatus): string[] {
  const since = pendingSinceMs === undefined ? '-' : formatDuration((Date.now() - pendingSinceMs) / 1000);
  return [name, formatCount(pendingEvents, 'event'), since, error ?? '-'];
}
