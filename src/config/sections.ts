import { hostname } from 'node:os';
import * as z from 'zod';
import { resolveAccess } from './access.ts';
import type { Config } from './config.ts';
import { checkHosted, hostedSchema, pinsSchema } from './hosted.ts';
import { adminSchema, checkListeners, registrySchema, resolveServer } from './listeners.ts';
import { resolvePeers } from './peers.ts';
import { pullSchema, resolvePull } from './pull.ts';
import { resolveReplication } from './replication.ts';
import { oneOf } from './scalars.ts';
import type { SectionReader } from './section-reader.ts';
import { siteSchema } from './site.ts';
import { resolveStorage, storageSchema } from './storage.ts';
import { map } from './structures.ts';
import { resolveUpstreams } from './upstreams.ts';

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
  pins: section,
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
  const admin = reader.read(adminSchema, raw['admin'] ?? {}, ['admin']);
  const registry = reader.read(registrySchema, raw['registry'], ['registry']);
  const log = reader.read(logSchema, raw['log'] ?? {}, ['log']);
  const rawStorage = reader.read(storageSchema, raw['storage'] ?? {}, ['storage']);
  const rawPull = reader.read(pullSchema, raw['pull'] ?? {}, ['pull']);
  const upstreams = await resolveUpstreams(raw['upstreams'], reader);
  const hosted = reader.read(hostedSchema, raw['hosted'], ['hosted']) ?? [];
  const pins = reader.read(pinsSchema, raw['pins'], ['pins']) ?? [];
  const access = await resolveAccess(raw['access'], reader);
  const peers = await resolvePeers(raw['peers'], reader);
  const peerNames = reader.entries(raw['peers'], ['peers']).map(([name]) => name);
  const replication = resolveReplication(raw['replication'], peerNames, reader);

  checkHosted(hosted, upstreams, reader);
  checkListeners(
    [
      ['server', server?.listen],
      ['admin', admin?.listen],
      ['registry', registry?.listen],
    ],
    reader,
  );
  if (
    upstreams.length === 0 &&
    hosted.length === 0 &&
    !reader.isRefused(['upstreams']) &&
    !reader.isRefused(['hosted'])
  ) {
    reader.refuse(['upstreams'], 'is empty; name a registry, or remove the key to get the seven public ones');
  }
  if (!site || !server || !admin || !log || !rawStorage || !rawPull || reader.refusals.length > 0) return undefined;

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
    pins,
    ...(access && { access }),
    peers,
    replication,
  };
}
