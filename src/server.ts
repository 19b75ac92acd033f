import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Access } from './access/access.ts';
import type { Config } from './config/config.ts';
import { DiskStore } from './content/disk/disk-store.ts';
import { DistributionApi } from './http/distribution-api.ts';
import { createDistributionListener } from './http/distribution-listener.ts';
import type { Listener, RequestListener } from './http/listener.ts';
import { MirrorDoor } from './http/mirror-door.ts';
import { openDoor } from './http/open-door.ts';
import { adminListener, mirrorListener } from './http/pages.ts';
import { RegistryDoor } from './http/registry-door.ts';
import { addressResolver } from './http/resolve-address.ts';
import { createTokenListener, isTokenUrl } from './http/token-endpoint.ts';
import { SqliteIndex } from './metadata/sqlite/sqlite-index.ts';
import { openReplication } from './open-replication.ts';
import { openUpstreams } from './open-upstreams.ts';
import { EventOutlet } from './registry/events/event-outlet.ts';
import { Registry } from './registry/registry.ts';
import type { SpaceLimits } from './registry/space/room.ts';
import { AuditFile } from './telemetry/audit-log.ts';
import { createLogger, flushLogger, type Logger } from './telemetry/logger.ts';
import { Metrics } from './telemetry/metrics.ts';
import { describeError, Telemetry } from './telemetry/telemetry.ts';
import { WebhookClient } from './upstream/webhook-client.ts';
import { VERSION } from './version.ts';

const MIN_LOG_BYTES = 128 * 1024;
const MAX_LOG_BYTES = 16 * 1024 * 1024;

/** A mirror that serves. */
export interface RunningServer {
  /** The mirror's door, the registry's door if there is one, and the admin listener, as `host:port`. */
  readonly addresses: { readonly mirror: string; readonly registry?: string; readonly admin: string };
  /** Goes on in new files where logs were renamed. */
  reopenLogs(): void;
  /** Ends it: no new connections, running answers may end within `server.drainTimeout`, downloads are kept for later. */
  close(): Promise<void>;
}

/** Seams for tests. */
export interface ServerOverrides {
  readonly logger?: Logger;
}

/** What the doors are made of. */
interface DoorParts {
  readonly registry: Registry;
  readonly telemetry: Telemetry;
  readonly readiness: () => string | undefined;
  /** Whatever is opened is disposed of with it. */
  readonly opened: AsyncDisposableStack;
  readonly logger: Logger;
}

/**
 * The composition root: opens the store and the index, then the listeners. No upstream is asked for anything.
 * @throws CodedError with a sentence for the operator; nothing is left open then
 */
export async function startServer(config: Config, overrides: ServerOverrides = {}): Promise<RunningServer> {
  const logger = overrides.logger ?? createLogger({ ...config.log, site: config.site });
  const metrics = new Metrics(config.site);
  const telemetry = new Telemetry(logger, metrics);

  await using opened = new AsyncDisposableStack();
  opened.defer(() => flushLogger(logger));
  const store = opened.use(await DiskStore.open(config.storage.path));
  const index = opened.use(
    new SqliteIndex(join(config.storage.path, 'index.sqlite'), {
      onFlushError: (error) => logger.error(describeError(error), 'uses could not be written'),
      site: config.site,
      logBytes: logBytesFor(config.storage.quotaBytes, (await store.space()).totalBytes),
    }),
  );
  const events = openEvents(config, { index, telemetry, opened });
  // Whatever comes from here on is told to webhooks.
  await events.start();
  const upstreams = await openUpstreams({ config, telemetry, opened });
  const registry = opened.use(
    new Registry({
      store,
      index,
      upstreams,
      telemetry,
      events,
      site: config.site,
      version: VERSION,
      limits: limitsOf(config),
      pins: config.pins,
      hosted: config.hosted,
      hostedRules: config.hostedRules,
      retentionSchedule: config.retentionSchedule,
      uploads: config.uploads,
      scrub: config.scrub,
      warm: config.warm,
      ...config.pull,
      maxExtraConnections: Math.min(...config.upstreams.map((upstream) => upstream.maxConnections)) / 2,
    }),
  );
  await registry.prepare();
  const replication = await openReplication({ config, telemetry, index, registry, events, opened });

  let isDraining = false;
  const readiness = () => (isDraining ? 'shutting down' : undefined);
  const doors = await openDistribution(config, { registry, telemetry, readiness, opened, logger });
  const operator = adminListener(metrics, readiness, {
    telemetry,
    operations: registry.operations,
    replication: replication.operations,
    token: config.admin.token,
    temporaryFolder: tmpdir(),
  });
  const admin = await openDoor({ section: 'admin', ...config.admin }, operator, opened, logger);
  const addresses = {
    mirror: doors.mirror.address,
    ...(doors.registry && { registry: doors.registry.address }),
    admin: admin.address,
  };
  for (const [door, address] of Object.entries(addresses)) logger.info({ door, address }, 'listening');
  registry.run();
  replication.run();

  const running = opened.move();
  return {
    addresses,
    reopenLogs: () => {
      doors.audit?.reopen();
      logger.info({ file: config.access?.auditFile }, 'log files opened again');
    },
    close: async () => {
      isDraining = true;
      logger.info({ limitMs: config.server.drainTimeoutMs }, 'shutting down');
      const draining = [doors.mirror, doors.registry].filter((door) => door !== undefined);
      await Promise.all(draining.map((door) => door.drain(config.server.drainTimeoutMs)));
      await running.disposeAsync();
    },
  };
}

/** The two doors of the distribution API: one that never asks who somebody is, and, if it is configured, one that does. */
async function openDistribution(
  config: Config,
  { registry, telemetry, readiness, opened, logger }: DoorParts,
): Promise<{ mirror: Listener; registry: Listener | undefined; audit: AuditFile | undefined }> {
  const { site, storage } = config;
  const access = opened.use(
    await Access.open({
      htpasswdFile: config.access?.htpasswdFile,
      policy: config.access?.policy,
      keyFile: join(storage.path, 'token-key.pem'),
      site,
      telemetry,
    }),
  );
  const file = config.access?.auditFile;
  const audit = file === undefined ? undefined : opened.use(new AuditFile({ file, site, telemetry }));
  const api = new DistributionApi(registry, site);
  const free = createDistributionListener(api, telemetry, new MirrorDoor(access), audit);
  const mirror = await openDoor(
    { section: 'server', ...config.server },
    mirrorListener(free, readiness),
    opened,
    logger,
  );
  if (!config.registry) return { mirror, registry: undefined, audit };
  const challenges = { publicUrl: config.registry.url, resolve: addressResolver(registry.upstreams) };
  const tokens = createTokenListener({ ...challenges, access, telemetry, audit });
  const demanding = createDistributionListener(api, telemetry, new RegistryDoor(access, challenges), audit);
  const pages = mirrorListener(demanding, readiness);
  const listener: RequestListener = (message, response) =>
    isTokenUrl(message.url ?? '') ? tokens(message, response) : pages(message, response);
  const demandingDoor = await openDoor({ section: 'registry', ...config.registry }, listener, opened, logger);
  return { mirror, registry: demandingDoor, audit };
}

/** What leaves the event log: webhooks. */
function openEvents(
  { site, events, webhooks }: Config,
  { index, telemetry, opened }: { index: SqliteIndex; telemetry: Telemetry; opened: AsyncDisposableStack },
): EventOutlet {
  const userAgent = `entrepot/${VERSION}`;
  const outlets = webhooks.map((webhook) => ({
    ...webhook,
    client: opened.use(new WebhookClient({ ...webhook, userAgent })),
  }));
  return opened.use(new EventOutlet({ index, telemetry, site, keepMs: events.keepMs, webhooks: outlets }));
}

/** The index's log is fast when it is large, and counts for what the disk and the quota allow. */
function logBytesFor(quotaBytes: number | undefined, diskBytes: number): number {
  const share = Math.floor(Math.min(quotaBytes ?? Infinity, diskBytes) / 32);
  return Math.min(MAX_LOG_BYTES, Math.max(MIN_LOG_BYTES, share));
}

function limitsOf({ storage, upstreams }: Config): SpaceLimits {
  const quotas = upstreams.flatMap(({ name, quotaBytes }) =>
    quotaBytes === undefined ? [] : [[name, quotaBytes] as const],
  );
  return { ...storage, quotaBytes: storage.quotaBytes, registryQuotas: new Map(quotas) };
}
