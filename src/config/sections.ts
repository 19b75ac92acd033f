import { hostname } from 'node:os';
import * as z from 'zod';
import { resolveAccess } from './access.ts';
import { resolveAdmin } from './admin.ts';
import type { Config } from './config.ts';
import { eventsSchema } from './events.ts';
import { checkHosted, hostedSchema } from './hosted.ts';
import { checkHostedRules, hostedRulesSchema, retentionSectionSchema } from './hosted-rules.ts';
import { checkRegistries, checkRepositories } from './known-registries.ts';
import { checkListeners, resolveRegistry, resolveServer } from './listeners.ts';
import { checkSiblings, resolvePeers } from './peers.ts';
import { resolvePins } from './pins.ts';
import { pullSchema, resolvePull } from './pull.ts';
import { parseRegistryName } from './registry-name.ts';
import { resolveReplication } from './replication.ts';
import { oneOf } from './scalars.ts';
import { scrubSchema } from './scrub.ts';
import type { SectionReader } from './section-reader.ts';
import { siteSchema } from './site.ts';
import { resolveStorage, storageSchema } from './storage.ts';
import { itemsOf, map } from './structures.ts';
import { upstreamEntries } from './upstream-names.ts';
import { uploadsSchema } from './uploads.ts';
import { resolveUpstreams } from './upstreams.ts';
import { checkWarm, warmSchema } from './warm.ts';
import { resolveWebhooks } from './webhooks.ts';

const logSchema = map({
  level: oneOf(['trace', 'debug', 'info', 'warn', 'error']).prefault('info'),
  format: oneOf(['auto', 'json', 'pretty']).prefault('auto'),
});

// Sections are read one by one, so that a mistake in one hides none in the others.
const section = z.unknown().optional();
const rootSchema = map({
  site: section,
  server: section,
  admin: section,
  registry: section,
  log: section,
  storage: section,
  upstreams: section,
  pull: section,
  hosted: section,
  hostedRules: section,
  retention: section,
  uploads: section,
  events: section,
  webhooks: section,
  pins: section,
  warm: section,
  scrub: section,
  access: section,
  peers: section,
  replication: section,
});

/** The configuration in its final shape; undefined if the reader refused something, which may be in any section. */
export async function resolveSections(value: unknown, reader: SectionReader): Promise<Config | undefined> {
  reader.read(rootSchema, value, []);
  const raw: Readonly<Record<string, unknown>> = Object.fromEntries(reader.entries(value, []));

  const site = reader.read(siteSchema(hostname()), raw['site'], ['site']);
  const server = await resolveServer(raw['server'] ?? {}, reader);
  const admin = await resolveAdmin(raw['admin'] ?? {}, reader);
  const registry = await resolveRegistry(raw['registry'], reader);
  const log = reader.read(logSchema, raw['log'] ?? {}, ['log']);
  const rawStorage = reader.read(storageSchema, raw['storage'] ?? {}, ['storage']);
  const rawPull = reader.read(pullSchema, raw['pull'] ?? {}, ['pull']);
  const upstreams = await resolveUpstreams(upstreamEntries(raw['upstreams'], reader), reader);
  const hosted = reader.read(hostedSchema, raw['hosted'], ['hosted']) ?? [];
  const hostedRules = reader.read(hostedRulesSchema, raw['hostedRules'], ['hostedRules']) ?? [];
  const retention = reader.read(retentionSectionSchema, raw['retention'] ?? {}, ['retention']);
  const uploads = reader.read(uploadsSchema, raw['uploads'] ?? {}, ['uploads']);
  const events = reader.read(eventsSchema, raw['events'] ?? {}, ['events']);
  const webhooks = await resolveWebhooks(raw['webhooks'], reader);
  const warm = reader.read(warmSchema, raw['warm'], ['warm']) ?? [];
  const scrub = reader.read(scrubSchema, raw['scrub'] ?? {}, ['scrub']);
  const access = await resolveAccess(raw['access'], reader);
  const peers = await resolvePeers(raw['peers'], reader);
  const peerNames = reader.entries(raw['peers'], ['peers']).map(([name]) => name);
  const replication = resolveReplication(raw['replication'], peerNames, reader);
  checkSiblings(raw, peerNames, reader);

  checkHosted(hosted, upstreams, reader);
  checkListeners(
    [
      ['server', server?.listen],
      ['admin', admin?.listen],
      ['registry', registry?.listen],
    ],
    reader,
  );
  checkKnownWorld(raw, upstreams.length + hosted.length, reader);
  const pins = resolvePins(raw['pins'], { upstreams, hosted }, reader);
  checkWarm(raw['warm'], { upstreams, hosted }, reader);
  if (!site || !server || !admin || !log || !rawStorage || !rawPull || !scrub) return undefined;
  if (!retention || !uploads || !events || reader.refusals.length > 0) return undefined;

  return {
    site,
    server,
    admin,
    ...(registry && { registry }),
    log,
    storage: resolveStorage(rawStorage, reader),
    upstreams,
    pull: resolvePull(rawPull),
    hosted,
    hostedRules,
    retentionSchedule: retention.schedule,
    uploads,
    events,
    webhooks,
    pins,
    warm,
    scrub,
    ...(access && { access }),
    peers,
    replication,
  };
}

/** Refuses a mirror of nothing, and names of registries that it is no mirror of. */
function checkKnownWorld(raw: Readonly<Record<string, unknown>>, size: number, reader: SectionReader): void {
  if (size === 0 && !reader.isRefused(['upstreams']) && !reader.isRefused(['hosted'])) {
    reader.refuse(['upstreams'], 'is empty; name a registry, or remove the key to get the seven public ones');
  }
  // As they were written: what has a mistake in it is known too.
  const hosted = itemsOf(raw['hosted']).filter((name) => typeof name === 'string');
  if (!reader.isRefused(['hosted'], 'itself')) checkHostedRules(raw['hostedRules'], hosted, reader);
  if (reader.isRefused(['upstreams'], 'itself')) return;
  const upstreams = upstreamEntries(raw['upstreams'], reader).map(([key]) => parseRegistryName(key));
  const known = [...upstreams.filter((name) => name !== undefined), ...hosted];
  checkRegistries(raw, known, reader);
  checkRepositories(raw, known, reader);
}
