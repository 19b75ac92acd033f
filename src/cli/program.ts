import { Command, CommanderError } from 'commander';
import { checkConfig } from './check-config.ts';
import { VERSION } from '../version.ts';
import { chooseConfig } from './config-file.ts';
import { EXIT_CODE } from './exit-code.ts';
import { serve } from './serve.ts';

const CONFIG_HELP = 'YAML file (default: $ENTREPOT_CONFIG, else ./config.yaml, else built-in defaults)';

/** Runs one command line. @param argv as Node gives it @returns the exit code */
export async function runProgram(argv: readonly string[]): Promise<number> {
  let exitCode: number = EXIT_CODE.ok;
  const program = new Command('entrepot')
    .description('Pull-through caching mirror for OCI and Docker registries')
    .version(VERSION)
    .exitOverride();
  program
    .command('serve')
    .description('serve the mirror until a signal stops it')
    .option('--config <file>', CONFIG_HELP)
    .action(async (options: { config?: string }) => {
      exitCode = await serve(await chooseConfig(options.config));
    });
  program
    .command('check-config')
    .description('say what is wrong with a configuration, with line and column')
    .option('--config <file>', CONFIG_HELP)
    .option('--json', 'print JSON for programs', false)
    .action(async (options: { config?: string; json: boolean }) => {
      exitCode = await checkConfig(await chooseConfig(options.config), options);
    });
  try {
    await program.parseAsync(argv);
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_CODE.ok : EXIT_CODE.wrongUse;
    console.error(error);
    return EXIT_CODE.failed;
  }
}
