import type { MetadataIndex } from '../metadata/metadata-index.ts';
import type { LinkPart } from './link-part.ts';
import { backlogFigures } from './link-status.ts';
import type { PeerSite } from './peer-site.ts';
import type { LinkStatus, ReplicationStatus } from './replication-operations.ts';

/** How everything is at the moment. @throws MetadataError */
export async function reportStatus(
  index: Pick<MetadataIndex, 'countJobs' | 'countConflicts'>,
  { links, sites }: { links: readonly LinkPart[]; sites: readonly PeerSite[] },
): Promise<ReplicationStatus> {
  const counts = await index.countJobs();
  return {
    links: await Promise.all(
      links.map(async (part): Promise<LinkStatus> => {
        const { link, reader, fullScan } = part;
        const { rule, peer } = link.name;
        const unplanned = [await reader?.behindSinceMs(), fullScan.dueSinceMs].filter(
          (sinceMs) => sinceMs !== undefined,
        );
        const backlog = {
          counts: counts.filter((count) => count.rule === rule && count.peer === peer),
          unplannedSinceMs: unplanned.length === 0 ? undefined : Math.min(...unplanned),
          graceMs: link.rule.graceMs,
        };
        const nowMs = Date.now();
        return {
          rule,
          peer,
          ...backlogFigures(backlog, nowMs),
          ...link.tally.figures,
          isPaused: link.isPaused,
          isOutsideWindow: !link.isInWindow(nowMs),
        };
      }),
    ),
    peers: sites.map(({ health }) => health.status),
    conflicts: await index.countConflicts(),
  };
}
