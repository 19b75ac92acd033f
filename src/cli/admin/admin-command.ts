import type { Command } from 'commander';
import { CONFIG_HELP } from '../config-file.ts';
import { AdminClient } from './admin-client.ts';
import { chooseTarget, type TargetOptions } from './choose-target.ts';

/** What every command on a running mirror can be told. */
export interface AdminOptions extends TargetOptions {
  readonly json: boolean;
}

/** Takes what the program is to end with, if that is not 0. */
export type End = (exitCode: number) => void;

/** Adds a command that works on a running mirror through its admin API. */
export function adminCommand(program: Command, usage: string, description: string): Command {
  return program
    .command(usage)
    .description(description)
    .option('--json', 'print JSON for programs', false)
    .option('--admin <url>', 'admin listener of the mirror (default: $ENTREPOT_ADMIN, else that of the configuration)')
    .option(
      '--token-file <file>',
      "file with the admin token (default: $ENTREPOT_ADMIN_TOKEN, else the configuration's)",
    )
    .option(
      '--client-cert <file>',
      'PEM file with certificate and key, where admin.tls.clientCa demands one (default: $ENTREPOT_ADMIN_CLIENT_CERT)',
    )
    .option('--config <file>', CONFIG_HELP);
}

/** The mirror that the options mean. No connection is made yet. @throws WrongUse */
export async function connect(options: AdminOptions): Promise<AdminClient> {
  return new AdminClient(await chooseTarget(options));
}
