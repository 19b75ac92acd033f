import { ConfigError, type ConfigProblem, formatProblem } from '../config/config-error.ts';
import { type ConfigSource, loadConfig } from '../config/load.ts';
import { EXIT_CODE } from './exit-code.ts';
import { show } from './output/show.ts';

interface Verdict {
  readonly problems: readonly ConfigProblem[];
}

/** Says on standard output what is right or wrong about a configuration. @returns the exit code */
export async function checkConfig(source: ConfigSource, options: { json: boolean }): Promise<number> {
  const verdict = await judge(source);
  const ok = verdict.problems.length === 0;
  await show({ file: source.file ?? null, ok, ...verdict }, options, ({ problems }) => {
    const name = source.file ?? 'built-in defaults';
    return ok ? `${name}: ok` : problems.map((problem) => formatProblem(name, problem)).join('\n');
  });
  return ok ? EXIT_CODE.ok : EXIT_CODE.wrongUse;
}

async function judge(source: ConfigSource): Promise<Verdict> {
  try {
    await loadConfig(source);
    return { problems: [] };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { problems: error.problems };
  }
}
