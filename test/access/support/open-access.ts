import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Access, type AccessOptions } from '../../../src/access/access.ts';
import { comparePassword } from '../../../src/access/bcrypt.ts';
import { silentLogger } from '../../../src/telemetry/logger.ts';
import { Metrics } from '../../../src/telemetry/metrics.ts';
import { Telemetry } from '../../../src/telemetry/telemetry.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { linesFor } from './users.ts';

/** Access with a folder of its own, a clock that stands still, and a count of comparisons. */
export interface TestAccess extends AsyncDisposable {
  readonly access: Access;
  readonly htpasswdFile: string;
  readonly keyFile: string;
  readonly telemetry: Telemetry;
  /** Of passwords, so far. */
  readonly comparisons: number;
  passTime(ms: number): void;
}

/** @param users undefined: there is no password file */
export async function openAccess(
  options: { users?: readonly string[] | undefined; policy?: AccessOptions['policy'] } = {},
): Promise<TestAccess> {
  const { users = ['alice', 'ci'], policy } = options;
  await using opened = new AsyncDisposableStack();
  const { path } = opened.use(await temporaryDirectory());
  const [htpasswdFile, keyFile] = [join(path, 'htpasswd'), join(path, 'token-key.pem')];
  const isThere = !('users' in options) || options.users !== undefined;
  if (isThere) await writeFile(htpasswdFile, linesFor(...users));
  const telemetry = new Telemetry(silentLogger(), new Metrics('test'));
  let nowMs = Date.UTC(2026, 0, 1);
  let comparisons = 0;
  const access = opened.use(
    await Access.open(
      { htpasswdFile: isThere ? htpasswdFile : undefined, policy, keyFile, site: 'here', telemetry },
      {
        now: () => nowMs,
        checkMs: 20,
        compare: (password, hash) => {
          comparisons += 1;
          return comparePassword(password, hash);
        },
      },
    ),
  );
  const resources = opened.move();
  return {
    access,
    htpasswdFile,
    keyFile,
    telemetry,
    get comparisons() {
      return comparisons;
    },
    passTime: (ms) => {
      nowMs += ms;
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
