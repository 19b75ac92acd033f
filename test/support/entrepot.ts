import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ExitStatus, type RunningProcess, startProcess } from './process.ts';
import { type TemporaryDirectory, temporaryDirectory } from './temporary-directory.ts';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));

/** A line of the program's log. */
export type LogRecord = Record<string, unknown>;

/** What the program is started with. */
export interface EntrepotOptions {
  /**
   * An object is completed with free ports for `server` and `admin` and a temporary `storage.path`; a string is the
   * file's text and taken as it is.
   */
  config?: object | string;
  env?: Record<string, string | undefined>;
  /** After `serve --config FILE`. */
  args?: readonly string[];
  /** The network namespace that it runs in, as ip-netns(8) names it; default: this process's. */
  namespace?: string;
}

/** The real program, running. Disposed of, it is stopped and its temporary folder removed. */
export class Entrepot implements AsyncDisposable {
  readonly #process: RunningProcess;
  readonly #directory: TemporaryDirectory;
  readonly #logs: LogLines;

  /** Use `startEntrepot`. */
  constructor(process: RunningProcess, directory: TemporaryDirectory, logs: LogLines) {
    this.#process = process;
    this.#directory = directory;
    this.#logs = logs;
  }

  /** The mirror's door. */
  get url(): string {
    return this.#door('mirror');
  }

  /** The admin's door. */
  get adminUrl(): string {
    return this.#door('admin');
  }

  /** The registry's door, if the configuration has one. */
  get registryUrl(): string {
    return this.#door('registry');
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** What it logged so far. */
  get logs(): readonly LogRecord[] {
    return this.#logs.records;
  }

  /** All its output, for messages. */
  get output(): string {
    return this.#process.output;
  }

  /** Settles when it has ended by itself. */
  get exited(): Promise<ExitStatus> {
    return this.#process.exited;
  }

  /** SIGTERM; waits for the end, throws if it doesn't come. */
  async stop(): Promise<ExitStatus> {
    return this.#process.stop();
  }

  /** SIGKILL; waits for the end. */
  async kill(): Promise<ExitStatus> {
    return this.#process.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#process.stop();
    } finally {
      await this.#directory[Symbol.asyncDispose]();
    }
  }

  #door(name: string): string {
    const address = this.#logs.doors.get(name);
    if (address === undefined) throw new Error(`entrepot has no ${name} door\n${this.output}`);
    return `http://${address}`;
  }
}

/** Starts the real program and waits until its doors are open; an early end is an error that tells its output. */
export async function startEntrepot({
  config = {},
  env = {},
  args = [],
  namespace,
}: EntrepotOptions = {}): Promise<Entrepot> {
  const directory = await temporaryDirectory();
  const logs = new LogLines();
  let heard = false;
  try {
    const file = join(directory.path, 'config.yaml');
    await writeFile(file, typeof config === 'string' ? config : completeConfig(config, directory.path));
    const doors = typeof config === 'object' && 'registry' in config ? 3 : 2;
    const program = [process.execPath, ...(await startArguments()), '--config', file, ...args];
    // It becomes the program: signals reach that.
    const around = namespace === undefined ? [] : ['ip', 'netns', 'exec', namespace];
    const [command = '', ...rest] = [...around, ...program];
    const child = await startProcess(command, rest, {
      cwd: PROJECT,
      // The test runner's own settings are none of the program's.
      env: { NODE_OPTIONS: undefined, NODE_ENV: undefined, VITEST: undefined, ...env },
      ready: (started) => {
        if (!heard) started.onStdout((text) => logs.add(text));
        heard = true;
        return logs.doors.size >= doors;
      },
    });
    return new Entrepot(child, directory, logs);
  } catch (error) {
    await directory[Symbol.asyncDispose]();
    throw error;
  }
}

/** What `npm start` gives to Node. */
async function startArguments(): Promise<string[]> {
  const { scripts } = JSON.parse(await readFile(join(PROJECT, 'package.json'), 'utf8')) as {
    scripts: { start: string };
  };
  return scripts.start.split(' ').slice(1);
}

class LogLines {
  readonly records: LogRecord[] = [];
  /** Address by door. */
  readonly doors = new Map<string, string>();
  #rest = '';

  add(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#addLine(line);
  }

  #addLine(line: string): void {
    if (!line.startsWith('{')) return;
    const record = JSON.parse(line) as LogRecord;
    this.records.push(record);
    const { msg, door, address } = record;
    if (msg === 'listening' && typeof door === 'string' && typeof address === 'string') this.doors.set(door, address);
  }
}

/** JSON is YAML. */
function completeConfig(config: object, directory: string): string {
  const given = config as Record<string, object | undefined>;
  return JSON.stringify({
    ...config,
    server: { listen: '127.0.0.1:0', ...given['server'] },
    admin: { listen: '127.0.0.1:0', ...given['admin'] },
    storage: { path: join(directory, 'data'), minFree: 0, ...given['storage'] },
  });
}
