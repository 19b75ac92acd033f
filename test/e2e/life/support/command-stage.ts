import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type Entrepot, startEntrepot } from '../../../support/entrepot.ts';
import { type Origin, startOrigin } from '../../../support/origin.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';
import { type CommandResult, runCommand } from '../../support/run-command.ts';

/** A mirror in a process of its own, its upstream, and a folder. */
export interface CommandStage extends AsyncDisposable {
  readonly origin: Origin;
  readonly mirror: Entrepot;
  /** Its data directory. */
  readonly path: string;
  /** The name of a file beside the data directory. */
  file(name: string): string;
  /** Writes such a file, and gives its name. */
  write(name: string, text: string): Promise<string>;
  /** Ends the mirror and starts it again on the same data. */
  restart(): Promise<void>;
  /** Runs a command on the mirror, however it ends. */
  run(...args: readonly string[]): Promise<CommandResult>;
  /** Runs a command with `--json` that has to end well. */
  json<Result>(...args: readonly string[]): Promise<Result>;
  /** Runs a command with `--json` that ends with that exit code. */
  jsonWithCode<Result>(code: number, ...args: readonly string[]): Promise<Result>;
}

/** Starts a mirror of one upstream, `docker.io`. @param sections further sections of its configuration */
export async function setCommandStage(sections: Readonly<Record<string, object>> = {}): Promise<CommandStage> {
  await using opened = new AsyncDisposableStack();
  const origin = opened.use(await startOrigin());
  const directory = opened.use(await temporaryDirectory());
  const path = join(directory.path, 'data');
  const { storage, ...others } = sections;
  const config = {
    storage: { path, ...storage },
    scrub: { every: 'never' },
    upstreams: { 'docker.io': { url: origin.url, default: true } },
    ...others,
  };
  let mirror = await startEntrepot({ config });
  const cleanup = opened.move();
  const jsonWithCode = async <Result>(code: number, ...args: readonly string[]): Promise<Result> => {
    const { stdout, stderr, code: ended } = await runCommand(mirror.adminUrl, ...args, '--json');
    expect(ended, `entrepot ${args.join(' ')}\n${stdout}${stderr}`).toBe(code);
    return JSON.parse(stdout) as Result;
  };
  return {
    origin,
    get mirror() {
      return mirror;
    },
    path,
    file: (name) => join(directory.path, name),
    write: async (name, text) => {
      await writeFile(join(directory.path, name), text);
      return join(directory.path, name);
    },
    restart: async () => {
      await mirror[Symbol.asyncDispose]();
      mirror = await startEntrepot({ config });
    },
    run: (...args) => runCommand(mirror.adminUrl, ...args),
    json: (...args) => jsonWithCode(0, ...args),
    jsonWithCode,
    [Symbol.asyncDispose]: async () => {
      await mirror[Symbol.asyncDispose]();
      await cleanup.disposeAsync();
    },
  };
}
