import { CodedError } from '../util/coded-error.ts';

/** One mistake in a configuration. */
export interface ConfigProblem {
  /** The key, such as `upstreams."docker.io".freshFor`; empty for the file as a whole. */
  readonly path: string;
  /** Counted from 1; absent where there is no text to point at. */
  readonly line?: number;
  /** Counted from 1. */
  readonly column?: number;
  /** What is wrong, and what would be right. Never holds a secret. */
  readonly message: string;
}

/** `CONFIG_INVALID`: a configuration that cannot be used, with all that is wrong about it. */
export class ConfigError extends CodedError {
  /** The file as its user named it; undefined without one. */
  readonly file: string | undefined;
  readonly problems: readonly ConfigProblem[];

  constructor(file: string | undefined, problems: readonly ConfigProblem[]) {
    super('CONFIG_INVALID', problems.map((problem) => formatProblem(file, problem)).join('\n'));
    this.file = file;
    this.problems = problems;
  }
}

/** A problem as compilers write it: `config.yaml:12:7: key: message`, so that editors can jump there. */
export function formatProblem(file: string | undefined, problem: ConfigProblem): string {
  const place = [file ?? 'configuration', problem.line, problem.column].filter((part) => part !== undefined).join(':');
  return [place, problem.path, problem.message].filter((part) => part !== '').join(': ');
}
