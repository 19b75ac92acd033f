import * as z from 'zod';
import { allowedHost } from './allowed-host.ts';
import type { UpstreamConfig } from './config.ts';
import { resolveAllCredentials } from './credentials.ts';
import { canonicalGlob, repositoryGlob, tagGlob } from './globs.ts';
import { resolveProxy } from './proxy.ts';
import { onUpstreamDelete, resolveRule, ruleSchema } from './rules.ts';
import { count, duration, flag, percentage, text } from './scalars.ts';
import type { SectionReader } from './section-reader.ts';
import { quota } from './storage.ts';
import { fieldOf, list, map } from './structures.ts';
import { timeouts } from './timeouts.ts';
import { DOCKER_HUB, UPSTREAMS, upstreamNames } from './upstream-names.ts';
import { rootUrl } from './web-url.ts';

const DOCKER_HUB_URL = 'https://registry-1.docker.io';

// The keys that hold secrets or name files are read one by one, so that each of their mistakes is found.
const upstreamSchema = map({
  url: rootUrl().optional(),
  default: flag().optional(),
  credentials: z.unknown().optional(),
  quota: quota().optional(),
  rateReserve: percentage().prefault('10%'),
  offline: flag().prefault(false),
  allow: list(repositoryGlob()).prefault([]),
  deny: list(repositoryGlob()).prefault([]),
  freshFor: duration({ max: 'forever' }).prefault('5m'),
  staleWhileRevalidate: duration({ max: 'forever' }).prefault('0s'),
  staleIfError: duration({ max: 'forever' }).prefault('forever'),
  immutable: list(tagGlob()).prefault([]),
  onUpstreamDelete: onUpstreamDelete().prefault('keep'),
  rules: list(ruleSchema).prefault([]),
  maxConnections: count(1, 1024).prefault(16),
  proxy: z.unknown().optional(),
  proxyFile: z.unknown().optional(),
  ca: z.unknown().optional(),
  allowHosts: list(allowedHost()).prefault([]),
  timeouts: timeouts(),
  retries: count(0, 20).prefault(3),
  siblings: list(text()).prefault([]),
});

/** An upstream, before it is known which one is the default. */
type Candidate = Omit<UpstreamConfig, 'isDefault'> & { readonly wantsDefault: boolean | undefined };

/** The upstreams in the order of the file. @param entries as they were written */
export async function resolveUpstreams(
  entries: readonly [key: string, value: unknown][],
  reader: SectionReader,
): Promise<readonly UpstreamConfig[]> {
  const names = upstreamNames(
    entries.map(([key]) => key),
    reader,
  );
  const found = await Promise.all(entries.map(([key, entry]) => resolveUpstream(key, names.get(key), entry, reader)));
  const candidates = found.filter((candidate) => candidate !== undefined);
  return chooseDefault(candidates, entries, reader);
}

async function resolveUpstream(
  key: string,
  name: string | undefined,
  value: unknown,
  reader: SectionReader,
): Promise<Candidate | undefined> {
  const path = [...UPSTREAMS, key];
  const raw = reader.read(upstreamSchema, value, path);
  const credentials = await resolveAllCredentials(fieldOf(value, 'credentials'), [...path, 'credentials'], reader);
  const proxy = await resolveProxy(value, path, reader);
  const caFile = await reader.file(value, path, 'ca');
  if (raw === undefined || name === undefined) return undefined;
  return {
    name,
    url: raw.url ?? new URL(name === DOCKER_HUB ? DOCKER_HUB_URL : `https://${name}`),
    wantsDefault: raw.default,
    credentials,
    rateReserve: raw.rateReserve,
    ...(raw.quota !== undefined && { quotaBytes: raw.quota }),
    offline: raw.offline,
    allow: raw.allow.map((pattern) => canonicalGlob(name, pattern)),
    deny: raw.deny.map((pattern) => canonicalGlob(name, pattern)),
    immutable: raw.immutable,
    onUpstreamDelete: raw.onUpstreamDelete,
    rules: raw.rules.map((rule) => resolveRule(rule, name)),
    freshForMs: raw.freshFor,
    staleWhileRevalidateMs: raw.staleWhileRevalidate,
    staleIfErrorMs: raw.staleIfError,
    maxConnections: raw.maxConnections,
    ...(proxy && { proxy }),
    ...(caFile !== undefined && { caFile }),
    allowHosts: raw.allowHosts,
    timeouts: raw.timeouts,
    retries: raw.retries,
    siblings: raw.siblings,
  };
}

/** The one that says so, else Docker Hub unless it says no, else none. */
function chooseDefault(
  candidates: readonly Candidate[],
  entries: readonly [string, unknown][],
  reader: SectionReader,
): readonly UpstreamConfig[] {
  const [first, ...others] = entries.filter(([, entry]) => claimsDefault(entry)).map(([key]) => key);
  for (const key of others) {
    reader.refuse([...UPSTREAMS, key, 'default'], `is true for ${first} too; only one upstream can be the default`);
  }
  const chosen =
    candidates.find(({ wantsDefault }) => wantsDefault) ??
    candidates.find(({ name, wantsDefault }) => name === DOCKER_HUB && wantsDefault === undefined);
  return candidates.map((candidate) => {
    const { wantsDefault: _, ...upstream } = candidate;
    return { ...upstream, isDefault: candidate === chosen };
  });
}

/** Looks at what was written, so that two defaults are found even where something else is wrong about them. */
function claimsDefault(entry: unknown): boolean {
  const written = fieldOf(entry, 'default');
  return written === true || written === 'true';
}
