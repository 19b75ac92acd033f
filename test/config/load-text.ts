import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../../src/config/config.ts';
import { ConfigError, type ConfigProblem } from '../../src/config/config-error.ts';
import { loadConfig } from '../../src/config/load.ts';

export interface Surroundings {
  readonly env?: NodeJS.ProcessEnv;
  /** Files beside the configuration, by name. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
}

/** Loads a configuration of this text from a folder that is gone afterwards. */
export async function loadText(
  text: string | Uint8Array,
  { env = {}, files = {} }: Surroundings = {},
): Promise<Config> {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'entrepot-config-'));
  const all = { ...files, 'config.yaml': text };
  await Promise.all(Object.entries(all).map(([name, content]) => writeFile(join(folder.path, name), content)));
  return await loadConfig({ file: 'config.yaml', env, cwd: folder.path });
}

/** The error that loading this text ends in. */
export async function failureOf(text: string | Uint8Array, surroundings?: Surroundings): Promise<ConfigError> {
  const outcome: unknown = await loadText(text, surroundings).catch((error: unknown) => error);
  if (outcome instanceof ConfigError) return outcome;
  throw new Error('this text was expected to be refused', { cause: outcome });
}

/** What is wrong with this text. */
export async function problemsOf(
  text: string | Uint8Array,
  surroundings?: Surroundings,
): Promise<readonly ConfigProblem[]> {
  return (await failureOf(text, surroundings)).problems;
}
