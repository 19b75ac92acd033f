import { Command, CommanderError } from 'commander';
import { CodedError } from '../util/coded-error.ts';
import { VERSION } from '../version.ts';
import type { End } from './admin/admin-command.ts';
import { addBackup } from './commands/backup.ts';
import { addEvict } from './commands/evict.ts';
import { addGc } from './commands/gc.ts';
import { addHashPassword } from './commands/hash-password.ts';
import { addLs } from './commands/ls.ts';
import { addOffline } from './commands/offline.ts';
import { addPins } from './commands/pins.ts';
import { addPurge } from './commands/purge.ts';
import { addRefresh } from './commands/refresh.ts';
import { addReindex } from './commands/reindex.ts';
import { addReplicate } from './commands/replicate.ts';
import { addReplication } from './commands/replication.ts';
import { addRetention } from './commands/retention.ts';
import { addScrub } from './commands/scrub.ts';
import { addStatus } from './commands/status.ts';
import { addVerify } from './commands/verify.ts';
import { addWarm } from './commands/warm.ts';
import { chooseConfig, CONFIG_HELP } from './config-file.ts';
import { EXIT_CODE } from './exit-code.ts';

/** What is the user's to put right, in our own words and in the mirror's. */
const WRONG_USE_CODES: ReadonlySet<string> = new Set(['WRONG_USE', 'INVALID', 'CONFIG_INVALID']);

/** Runs one command line. @param argv as Node gives it @returns the exit code */
export async function runProgram(argv: readonly string[]): Promise<number> {
  let exitCode: number = EXIT_CODE.ok;
  const end: End = (code) => {
    exitCode = code;
  };
  const program = new Command('entrepot')
    .description('Pull-through caching mirror for OCI and Docker registries')
    .version(VERSION)
    .exitOverride();
  addLocalCommands(program, end);
  addAdminCommands(program, end);
  try {
    await program.parseAsync(argv);
    return exitCode;
  } catch (error) {
    return exitCodeFor(error);
  } finally {
    await Promise.all([flush(process.stdout), flush(process.stderr)]);
  }
}

/** What is written to a pipe is still on its way when the program would end. A reader that left is no reason to fail. */
async function flush(stream: NodeJS.WriteStream): Promise<void> {
  stream.once('error', () => undefined);
  await new Promise<void>((resolve) => {
    stream.write('', () => resolve());
  });
}

/** What works on this machine's own files. Loaded late: no other command needs all that is behind them. */
function addLocalCommands(program: Command, end: End): void {
  program.commandsGroup('Commands:');
  program
    .command('serve')
    .description('serve the mirror until a signal stops it')
    .option('--config <file>', CONFIG_HELP)
    .action(async (options: { config?: string }) => {
      const { serve } = await import('./serve.ts');
      end(await serve(await chooseConfig(options.config)));
    });
  program
    .command('check-config')
    .description('say what is wrong with a configuration, with line and column')
    .option('--config <file>', CONFIG_HELP)
    .option('--json', 'print JSON for programs', false)
    .action(async (options: { config?: string; json: boolean }) => {
      const { checkConfig } = await import('./check-config.ts');
      end(await checkConfig(await chooseConfig(options.config), options));
    });
  addReindex(program, end);
  addHashPassword(program);
}

/** What works on a running mirror. */
function addAdminCommands(program: Command, end: End): void {
  program.commandsGroup('Commands on a running mirror:');
  addStatus(program);
  addLs(program);
  addWarm(program, end);
  addRefresh(program, end);
  addPins(program);
  addPurge(program, end);
  addEvict(program, end);
  addGc(program, end);
  addRetention(program, end);
  addVerify(program, end);
  addScrub(program);
  addOffline(program);
  addBackup(program, end);
  addReplicate(program, end);
  addReplication(program, end);
}

function exitCodeFor(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_CODE.ok : EXIT_CODE.wrongUse;
  if (!(error instanceof CodedError)) {
    console.error(error);
    return EXIT_CODE.failed;
  }
  console.error(`entrepot: ${error.message}`);
  return WRONG_USE_CODES.has(error.code) ? EXIT_CODE.wrongUse : EXIT_CODE.failed;
}
