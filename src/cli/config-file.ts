import { lstat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { ConfigSource } from '../config/load.ts';

const DEFAULT_FILE = 'config.yaml';

/** What `--config` says of itself. */
export const CONFIG_HELP = 'YAML file (default: $ENTREPOT_CONFIG, else ./config.yaml, else built-in defaults)';

/** Which configuration a command means: `--config`, else ENTREPOT_CONFIG, else ./config.yaml, else the defaults. */
export async function chooseConfig(option: string | undefined): Promise<ConfigSource> {
  const { env } = process;
  const cwd = process.cwd();
  const named = option ?? (env['ENTREPOT_CONFIG'] || undefined);
  if (named !== undefined) return { file: named, env, cwd };
  return (await exists(resolve(cwd, DEFAULT_FILE))) ? { file: DEFAULT_FILE, env, cwd } : { env, cwd };
}

/** A broken link counts as there, so that it is reported and not passed over. */
async function exists(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    () => false,
  );
}
