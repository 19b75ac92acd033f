import { dirname, resolve } from 'node:path';
import type { Config } from './config.ts';
import { ConfigError, type ConfigProblem } from './config-error.ts';
import { expandVariables } from './expand-variables.ts';
import { cutAtSecret, formatKeyPath, type KeyPath } from './key-path.ts';
import { readTextFile } from './read-text-file.ts';
import { resolveSections } from './sections.ts';
import { SectionReader } from './section-reader.ts';
import { parseYaml, type Position, type YamlSource } from './yaml-source.ts';

/** What a configuration is made from. */
export interface ConfigSource {
  /** YAML; without it the built-in defaults hold. Relative to `cwd`. */
  readonly file?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
}

const FILE_LIMIT_BYTES = 1024 * 1024;

/**
 * Reads, checks and resolves a configuration.
 * @throws {ConfigError} with everything that is wrong, in the order of the file
 */
export async function loadConfig({ file, env, cwd }: ConfigSource): Promise<Config> {
  const yaml = file === undefined ? undefined : await readYaml(file, cwd);
  const reader = new SectionReader(file === undefined ? cwd : dirname(resolve(cwd, file)));
  const value = expandVariables(yaml?.value ?? {}, env, (path, message) => reader.refuse(path, message));
  const config = await resolveSections(value, reader);
  const refusals = reader.refusals.map(({ path, message }) => toProblem({ path, place: yaml?.locate(path), message }));
  const problems = [...(yaml?.mistakes ?? []).map(toProblem), ...refusals];
  if (config === undefined || problems.length > 0) throw new ConfigError(file, problems.sort(byPlace));
  return freezeDeep(config);
}

async function readYaml(file: string, cwd: string): Promise<YamlSource> {
  const content = await readTextFile(resolve(cwd, file), FILE_LIMIT_BYTES);
  if ('problem' in content) {
    throw new ConfigError(file, [{ path: '', message: `cannot read the configuration: ${content.problem}` }]);
  }
  const yaml = parseYaml(content.text);
  if (yaml.value !== undefined) return yaml;
  throw new ConfigError(file, yaml.mistakes.map(toProblem).sort(byPlace));
}

function toProblem(mistake: { path: KeyPath; place: Position | undefined; message: string }): ConfigProblem {
  return { path: formatKeyPath(cutAtSecret(mistake.path)), ...mistake.place, message: mistake.message };
}

function byPlace(a: ConfigProblem, b: ConfigProblem): number {
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}

function freezeDeep<T extends object>(value: T): T {
  for (const child of Object.values(value)) {
    if (typeof child === 'object' && child !== null && !(child instanceof URL)) freezeDeep(child as object);
  }
  return Object.freeze(value);
}
