import type { Command } from 'commander';
import type { PinStatus } from '../../registry/operations/operations.ts';
import { adminCommand, type AdminOptions, connect } from '../admin/admin-command.ts';
import { formatAge } from '../output/format.ts';
import { show } from '../output/show.ts';

/** Adds `pin`, `unpin` and `pins`. */
export function addPins(program: Command): void {
  adminCommand(program, 'pin <pattern...>', 'keep images from eviction, such as "docker.io/library/debian:12*"').action(
    async (patterns: string[], options: AdminOptions) => {
      const client = await connect(options);
      for (const pattern of patterns) await client.pin(pattern);
      await show({ pinned: patterns }, options, ({ pinned }) =>
        pinned.map((pattern) => `pinned ${pattern}`).join('\n'),
      );
    },
  );
  adminCommand(program, 'unpin <pattern...>', 'take pins away again').action(
    async (patterns: string[], options: AdminOptions) => {
      const client = await connect(options);
      for (const pattern of patterns) await client.unpin(pattern);
      await show({ unpinned: patterns }, options, ({ unpinned }) =>
        unpinned.map((pattern) => `unpinned ${pattern}`).join('\n'),
      );
    },
  );
  adminCommand(program, 'pins', 'list the pins').action(async (options: AdminOptions) => {
    const client = await connect(options);
    await show(await client.pins(), options, pinsText);
  });
}

async function pinsText(pins: readonly PinStatus[]): Promise<string> {
  const { formatTable } = await import('../output/table.ts');
  return formatTable(
    ['PATTERN', 'FROM', 'SINCE'],
    pins.map(({ pattern, origin, atMs }) => [pattern, origin, atMs === undefined ? '-' : formatAge(atMs)]),
  );
}
