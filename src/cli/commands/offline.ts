import type { Command } from 'commander';
import { adminCommand, type AdminOptions, connect } from '../admin/admin-command.ts';
import { show } from '../output/show.ts';

/** Adds `offline` and `online`. */
export function addOffline(program: Command): void {
  const set = (isOffline: boolean) => async (upstream: string, options: AdminOptions) => {
    const client = await connect(options);
    await show(await client.setOffline(upstream, isOffline), options, (status) =>
      status.isOffline ? `${status.name} is offline: it is not asked for anything` : `${status.name} is online`,
    );
  };
  const until = 'until the next start';
  adminCommand(program, 'offline <upstream>', `serve an upstream from what is cached only, ${until}`).action(set(true));
  adminCommand(program, 'online <upstream>', `ask an upstream again, ${until}`).action(set(false));
}
