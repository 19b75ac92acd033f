import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startEntrepot } from '../test/support/entrepot.ts';
import { freePort, type RunningProcess, startProcess } from '../test/support/process.ts';
import { temporaryDirectory } from '../test/support/temporary-directory.ts';

/** A mirror under measurement. */
export interface Contender extends AsyncDisposable {
  readonly name: string;
  readonly url: string;
  readonly pid: number;
}

/** Starts one with nothing cached, in front of the origin. */
export type StartContender = (originUrl: string) => Promise<Contender>;

/** Debian's docker-registry; with `remoteUrl` as a pull-through cache. Logs as it comes. */
export async function startDockerRegistry(remoteUrl?: string): Promise<Contender> {
  await using opened = new AsyncDisposableStack();
  const directory = opened.use(await temporaryDirectory('bench'));
  const port = await freePort();
  const config = {
    version: '0.1',
    storage: { filesystem: { rootdirectory: join(directory.path, 'registry') } },
    http: { addr: `127.0.0.1:${port}` },
    ...(remoteUrl === undefined ? {} : { proxy: { remoteurl: remoteUrl } }),
  };
  const file = join(directory.path, 'config.yml');
  // JSON is YAML.
  await writeFile(file, JSON.stringify(config));
  const url = `http://127.0.0.1:${port}`;
  const started = opened.use(await startProcess('docker-registry', ['serve', file], { ready: () => answers(url) }));
  return contender('docker-registry', url, started, opened.move());
}

export const startCachingDockerRegistry: StartContender = (originUrl) => startDockerRegistry(originUrl);

/** This program, as `npm start` runs it; its log goes to a pipe that is read, as the other's does. */
export const startThisProgram: StartContender = async (originUrl) => {
  await using opened = new AsyncDisposableStack();
  const program = opened.use(
    await startEntrepot({
      config: { upstreams: { 'docker.io': { url: originUrl, default: true, freshFor: '1h' } } },
    }),
  );
  return contender('entrepot', program.url, program, opened.move());
};

/** This program as a registry that everyone may push to below `local/`. */
export async function startHostingProgram(): Promise<Contender> {
  await using opened = new AsyncDisposableStack();
  const policy = [{ who: ['anonymous'], may: ['pull', 'push'], in: ['local/**'] }];
  const config = { upstreams: {}, hosted: ['local'], access: { policy } };
  const program = opened.use(await startEntrepot({ config }));
  return contender('entrepot', program.url, program, opened.move());
}

function contender(
  name: string,
  url: string,
  { pid }: Pick<RunningProcess, 'pid'>,
  opened: AsyncDisposableStack,
): Contender {
  return { name, url, pid, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/v2/`)).ok;
  } catch {
    return false;
  }
}
