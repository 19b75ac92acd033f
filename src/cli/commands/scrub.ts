import type { Command } from 'commander';
import type { ScrubStatus } from '../../registry/operations/operations.ts';
import { adminCommand, type AdminOptions, connect } from '../admin/admin-command.ts';
import { formatAge, formatDuration } from '../output/format.ts';
import { show } from '../output/show.ts';

/** Adds `scrub`. */
export function addScrub(program: Command): void {
  adminCommand(program, 'scrub', 'start a round of the background check of all content now').action(
    async (options: AdminOptions) => {
      const client = await connect(options);
      await show(await client.startScrub(), options, (status) => `scrub: ${describeScrub(status)}`);
    },
  );
}

/** How the background check is, in one line. */
export function describeScrub({ isRunning, completedAtMs, everyMs }: ScrubStatus): string {
  const now = isRunning ? 'a round is running' : 'no round is running';
  const last = completedAtMs === undefined ? 'none has ended yet' : `the last one ended ${formatAge(completedAtMs)}`;
  // Infinity, which is never, does not survive JSON.
  return `${now}, ${last}${everyMs ? `, one every ${formatDuration(everyMs / 1000)}` : ''}`;
}
