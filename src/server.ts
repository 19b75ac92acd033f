import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config, ListenAddress, UpstreamConfig } from './config/config.ts';
import type { NotYetServed } from './config/not-yet-served.ts';
import { DiskStore } from './content/disk/disk-store.ts';
import { DistributionApi } from './http/distribution-api.ts';
import { createDistributionListener } from './http/distribution-listener.ts';
import { Listener, type RequestListener } from './http/listener.ts';
import { adminListener, mirrorListener } from './http/pages.ts';
import { readTlsFiles, watchTlsFiles } from './http/tls-files.ts';
import { SqliteIndex } from './metadata/sqlite/sqlite-index.ts';
import { Registry } from './registry/registry.ts';
import { UpstreamRules } from './registry/rules.ts';
import type { SpaceLimits } from './registry/space/room.ts';
import { Upstreams, UpstreamSite } from './registry/upstreams.ts';
import { createLogger, flushLogger, type Logger } from './telemetry/logger.ts';
import { Metrics } from './telemetry/metrics.ts';
import { describeError, Telemetry } from './telemetry/telemetry.ts';
import { createUpstream } from './upstream/create-upstream.ts';
import type { Upstream } from './upstream/upstream.ts';
import { CodedError } from './util/coded-error.ts';
import { VERSION } from './version.ts';

const MIN_LOG_BYTES = 128 * 1024;
const MAX_LOG_BYTES = 16 * 1024 * 1024;

/** A mirror that serves. */
export interface RunningServer {
  /** The mirror's door and the admin listener, as `host:port`. */
  readonly addresses: { readonly mirror: string; readonly admin: string };
  /** Ends it: no new connections, running answers may end within `server.drainTimeout`, downloads are kept for later. */
  close(): Promise<void>;
}

/** Seams for tests and notes for the log. */
export interface ServerOverrides {
  readonly logger?: Logger;
  /** What was noticed about the configuration. */
  readonly warnings?: readonly NotYetServed[];
}

/**
 * The composition root: opens the store and the index, then the listeners. No upstream is asked for anything.
 * @throws CodedError with a sentence for the operator; nothing is left open then
 */
export async function startServer(config: Config, overrides: ServerOverrides = {}): Promise<RunningServer> {
  const logger = overrides.logger ?? createLogger({ ...config.log, site: config.site });
  const metrics = new Metrics(config.site);
  const telemetry = new Telemetry(logger, metrics);
  for (const { key, message } of overrides.warnings ?? []) logger.warn({ key }, message);

  await using opened = new AsyncDisposableStack();
  opened.defer(() => flushLogger(logger));
  const store = opened.use(await DiskStore.open(config.storage.path));
  const index = opened.use(
    new SqliteIndex(join(config.storage.path, 'index.sqlite'), {
      onFlushError: (error) => logger.error(describeError(error), 'uses could not be written'),
      logBytes: logBytesFor(config.storage.quotaBytes),
    }),
  );
  const upstreams = opened.use(await openUpstreams(config, telemetry));
  const registry = opened.use(
    new Registry({
      store,
      index,
      upstreams,
      telemetry,
      site: config.site,
      version: VERSION,
      limits: limitsOf(config),
      pins: config.pins,
      hosted: config.hosted,
      scrub: config.scrub,
      warm: config.warm,
      ...config.pull,
      maxExtraConnections: Math.min(...config.upstreams.map((upstream) => upstream.maxConnections)) / 2,
    }),
  );
  await registry.prepare();

  let isDraining = false;
  const readiness = () => (isDraining ? 'shutting down' : undefined);
  const distribution = createDistributionListener(new DistributionApi(registry), telemetry);
  const mirror = opened.use(await openMirror(config, mirrorListener(distribution, readiness), opened, logger));
  const operator = adminListener(metrics, readiness, {
    telemetry,
    operations: registry.operations,
    token: config.admin.token,
    temporaryFolder: tmpdir(),
  });
  const admin = opened.use(await openListener('admin', config.admin.listen, operator));
  const addresses = { mirror: mirror.address, admin: admin.address };
  for (const [door, address] of Object.entries(addresses)) logger.info({ door, address }, 'listening');
  registry.run();

  const running = opened.move();
  return {
    addresses,
    close: async () => {
      isDraining = true;
      logger.info({ limitMs: config.server.drainTimeoutMs }, 'shutting down');
      await mirror.drain(config.server.drainTimeoutMs);
      await running.disposeAsync();
    },
  };
}

/** The index's log is fast when it is large, and counts for the quota. */
function logBytesFor(quotaBytes = Infinity): number {
  return Math.min(MAX_LOG_BYTES, Math.max(MIN_LOG_BYTES, Math.floor(quotaBytes / 32)));
}

function limitsOf({ storage, upstreams }: Config): SpaceLimits {
  const quotas = upstreams.flatMap(({ name, quotaBytes }) =>
    quotaBytes === undefined ? [] : [[name, quotaBytes] as const],
  );
  return { ...storage, quotaBytes: storage.quotaBytes, registryQuotas: new Map(quotas) };
}

async function openUpstreams(config: Config, telemetry: Telemetry): Promise<Upstreams> {
  const sites = await Promise.all(
    config.upstreams.map(async (upstream) => {
      const client = await openUpstream(upstream, config, telemetry);
      return new UpstreamSite(client, new UpstreamRules(upstream), upstream.offline);
    }),
  );
  return new Upstreams(sites, config.upstreams.find((upstream) => upstream.isDefault)?.name);
}

async function openUpstream(upstream: UpstreamConfig, config: Config, telemetry: Telemetry): Promise<Upstream> {
  const { caFile } = upstream;
  const ca = caFile === undefined ? undefined : await readCa(caFile, upstream.name);
  return createUpstream(
    {
      ...upstream,
      ...(ca === undefined ? {} : { ca }),
      manifestLimitBytes: config.pull.manifestLimitBytes,
      userAgent: `entrepot/${VERSION}`,
    },
    telemetry,
  );
}

async function readCa(file: string, upstream: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new CodedError('CA_UNREADABLE', `the CA file of ${upstream} cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
}

async function openMirror(
  config: Config,
  listener: RequestListener,
  opened: AsyncDisposableStack,
  logger: Logger,
): Promise<Listener> {
  const { listen, tls } = config.server;
  if (!tls) return openListener('mirror', listen, listener);
  const identity = await readTlsFiles(tls).catch((cause: unknown) => {
    throw new CodedError('TLS_UNUSABLE', `server.tls cannot be used: ${(cause as Error).message}`, { cause });
  });
  const opening = await openListener('mirror', listen, listener, identity);
  opened.use(
    watchTlsFiles(
      tls,
      (renewed) => {
        opening.replaceIdentity(renewed);
        logger.info('the TLS certificate was renewed');
      },
      (error) => logger.error(describeError(error), 'the new TLS certificate cannot be used'),
    ),
  );
  return opening;
}

async function openListener(
  door: string,
  { host, port }: ListenAddress,
  listener: RequestListener,
  identity?: Parameters<typeof Listener.open>[2],
): Promise<Listener> {
  try {
    return await Listener.open({ host, port }, listener, identity);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const reason = code === 'EADDRINUSE' ? 'another program listens there' : message;
    const where = `${host ?? '*'}:${port}`;
    throw new CodedError('CANNOT_LISTEN', `${door}.listen: cannot listen on ${where}: ${reason}`, { cause });
  }
}
