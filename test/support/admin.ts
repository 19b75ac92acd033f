import { join } from 'node:path';
import { Writable } from 'node:stream';
import pino from 'pino';
import { Listener } from '../../src/http/listener.ts';
import type { TlsIdentity } from '../../src/http/tls-server.ts';
import { adminListener } from '../../src/http/pages.ts';
import type { Operations } from '../../src/registry/operations/operations.ts';
import type { ReplicationOperations } from '../../src/replication/replication-operations.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { Telemetry } from '../../src/telemetry/telemetry.ts';
import { Secret } from '../../src/util/secret.ts';
import { type FakeOperations, fakeOperations } from './fake-operations.ts';
import { type FakeReplication, fakeReplication } from './fake-replication.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** An admin listener over operations on nothing. */
export interface TestAdmin extends AsyncDisposable {
  readonly url: string;
  readonly listener: Listener;
  readonly operations: FakeOperations;
  readonly replication: FakeReplication;
  /** Where backups are made. */
  readonly temporaryFolder: string;
  /** What was logged. */
  readonly log: readonly Record<string, unknown>[];
}

/** Opens a real admin listener on a free port. @param replaced operations that do something else */
export async function startAdmin({
  token,
  tls,
  replication: replacedReplication,
  ...replaced
}: Partial<Operations> & {
  readonly token?: string;
  readonly tls?: TlsIdentity;
  readonly replication?: Partial<ReplicationOperations>;
} = {}): Promise<TestAdmin> {
  await using opened = new AsyncDisposableStack();
  const directory = opened.use(await temporaryDirectory());
  const temporaryFolder = join(directory.path, 'temporary');
  const operations = fakeOperations(replaced);
  const replication = fakeReplication(replacedReplication);
  const metrics = new Metrics('eu-west');
  const log: Record<string, unknown>[] = [];
  const lines = new Writable({
    write(chunk: Buffer, _, done) {
      log.push(JSON.parse(chunk.toString()) as Record<string, unknown>);
      done();
    },
  });
  const listener = opened.use(
    await Listener.open(
      { host: '127.0.0.1', port: 0 },
      adminListener(metrics, () => undefined, {
        operations,
        replication,
        token: token === undefined ? undefined : new Secret(token),
        temporaryFolder,
        telemetry: new Telemetry(pino({ level: 'debug' }, lines), metrics),
      }),
      tls,
    ),
  );
  const cleanup = opened.move();
  return {
    url: `${tls ? 'https' : 'http'}://${listener.address}`,
    listener,
    operations,
    replication,
    temporaryFolder,
    log,
    [Symbol.asyncDispose]: () => cleanup.disposeAsync(),
  };
}
