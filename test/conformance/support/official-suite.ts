import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** How many checks ended how. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  /** What the registry does not do, though it may. */
  readonly skipped: number;
  /** What the settings leave out. */
  readonly disabled: number;
}

/** One run of the official suite. */
export interface SuiteRun {
  /** The program, built from conformance/ of opencontainers/distribution-spec. */
  readonly program: string;
  /** `http://host:port` of the door. */
  readonly url: string;
  /** The certificate of a door with TLS; the suite speaks HTTP/2 then. */
  readonly certFile: string | undefined;
  /** Its settings (conformance/README.md). */
  readonly env: Readonly<Record<string, string>>;
  /** For its reports. */
  readonly folder: string;
}

/** Runs it, and keeps what it says and its reports. @throws Error if it ends without a result */
export async function runOfficialSuite({ program, url, certFile, env, folder }: SuiteRun): Promise<Counts> {
  await mkdir(folder, { recursive: true });
  const settings = {
    ...ownEnvironment(),
    OCI_REGISTRY: new URL(url).host,
    ...(certFile === undefined ? { OCI_TLS: 'disabled' } : { OCI_TLS: 'enabled', SSL_CERT_FILE: certFile }),
    OCI_RESULTS_DIR: folder,
    OCI_CONFIGURATION: await emptyFile(folder),
    ...env,
  };
  const output = await outputOf(program, settings);
  await writeFile(join(folder, 'output.txt'), output);
  return countsIn(output);
}

/** Its own settings must not change the runs; a filter and a log are for who looks for a mistake. */
function ownEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('OCI_') || name === 'OCI_FILTER_TEST' || name === 'OCI_LOG',
  );
  return Object.fromEntries(kept);
}

/** Stands for a configuration file that may lie in the current folder. */
async function emptyFile(folder: string): Promise<string> {
  const file = join(folder, 'oci-conformance.yaml');
  await writeFile(file, '{}\n');
  return file;
}

function outputOf(program: string, env: NodeJS.ProcessEnv): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, { env, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      // Without pushes it panics when it writes its reports, after it has told its result: that is what counts.
      if (error && typeof error.code !== 'number') reject(error);
      else resolve(stdout + stderr);
    });
  });
}

function countsIn(output: string): Counts {
  const count = (status: string) => {
    const found = new RegExp(`^ +${status}\\.+: +(\\d+)$`, 'm').exec(output)?.[1];
    if (found === undefined) throw new Error(`the suite told no result:\n${output.slice(-5000)}`);
    return Number(found);
  };
  return {
    passed: count('Pass'),
    failed: count('FAIL') + count('Error'),
    skipped: count('Skip'),
    disabled: count('Disabled'),
  };
}
