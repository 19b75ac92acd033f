import { isIP } from 'node:net';
import * as z from 'zod';
import { canonicalRegistry } from '../oci/repository.ts';
import type { Secret } from '../util/secret.ts';
import type { UpstreamConfig } from './config.ts';
import { resolveCredentials } from './credentials.ts';
import { formatHostPort, parseHostPort } from './host-port.ts';
import { count, duration, flag, parsedText } from './scalars.ts';
import type { KeyPath } from './key-path.ts';
import type { SectionReader } from './section-reader.ts';
import { fieldOf, list, map } from './structures.ts';
import { faultOfRootUrl, rootUrl } from './web-url.ts';

const DOCKER_HUB = 'docker.io';
const DOCKER_HUB_URL = 'https://registry-1.docker.io';
const BUILT_IN = [DOCKER_HUB, 'ghcr.io', 'quay.io', 'registry.k8s.io', 'gcr.io', 'mcr.microsoft.com', 'public.ecr.aws'];
const ROOT: KeyPath = ['upstreams'];

// The keys that hold secrets or name files are read one by one, so that each of their mistakes is found.
const upstreamSchema = map({
  url: rootUrl().optional(),
  default: flag().optional(),
  credentials: z.unknown().optional(),
  freshFor: duration({ max: 'forever' }).prefault('5m'),
  staleWhileRevalidate: duration({ max: 'forever' }).prefault('0s'),
  staleIfError: duration({ max: 'forever' }).prefault('forever'),
  maxConnections: count(1, 1024).prefault(16),
  proxy: z.unknown().optional(),
  proxyFile: z.unknown().optional(),
  ca: z.unknown().optional(),
  allowHosts: list(allowedHost()).prefault([]),
  timeouts: map({
    connect: duration({ min: '1ms', max: '1d' }).prefault('10s'),
    headers: duration({ min: '1ms', max: '1d' }).prefault('30s'),
    stall: duration({ min: '1ms', max: '1d' }).prefault('30s'),
  }).prefault({}),
  retries: count(0, 20).prefault(3),
});

/** An upstream, before it is known which one is the default. */
type Candidate = Omit<UpstreamConfig, 'isDefault'> & { readonly wantsDefault: boolean | undefined };

/** The upstreams in the order of the file; without the section the seven public registries. */
export async function resolveUpstreams(value: unknown, reader: SectionReader): Promise<readonly UpstreamConfig[]> {
  const section = value === undefined ? Object.fromEntries(BUILT_IN.map((name) => [name, null])) : value;
  const entries = reader.entries(section, ROOT);
  const names = upstreamNames(
    entries.map(([key]) => key),
    reader,
  );
  const found = await Promise.all(entries.map(([key, entry]) => resolveUpstream(key, names.get(key), entry, reader)));
  const candidates = found.filter((candidate) => candidate !== undefined);
  return chooseDefault(candidates, entries, reader);
}

/** The name of each key, where it has one that no other key has. */
function upstreamNames(keys: readonly string[], reader: SectionReader): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  const keyOf = new Map<string, string>();
  for (const key of keys) {
    const name = parseRegistryName(key);
    const rival = name === undefined ? undefined : keyOf.get(name);
    if (name === undefined) {
      reader.refuse([...ROOT, key], 'is not the name of a registry; write for example ghcr.io or registry.local:5000');
    } else if (rival !== undefined) {
      reader.refuse([...ROOT, key], `means ${name}, as ${rival} does; keep one of them`);
    } else {
      names.set(key, name);
      keyOf.set(name, key);
    }
  }
  return names;
}

/** Without a dot, a port or `localhost`, clients take the first part of an image's name for a repository of the Hub. */
function parseRegistryName(key: string): string | undefined {
  const parsed = parseHostPort(key);
  if (parsed === undefined || parsed.host === '' || parsed.port === 0) return undefined;
  const name = canonicalRegistry(formatHostPort(parsed));
  return /[.:]/.test(name) || name === 'localhost' ? name : undefined;
}

async function resolveUpstream(
  key: string,
  name: string | undefined,
  value: unknown,
  reader: SectionReader,
): Promise<Candidate | undefined> {
  const path = [...ROOT, key];
  const raw = reader.read(upstreamSchema, value, path);
  const credentials = await resolveCredentials(fieldOf(value, 'credentials'), [...path, 'credentials'], reader);
  const proxy = await resolveProxy(value, path, reader);
  const caFile = await reader.file(value, path, 'ca');
  if (raw === undefined || name === undefined) return undefined;
  return {
    name,
    url: raw.url ?? new URL(name === DOCKER_HUB ? DOCKER_HUB_URL : `https://${name}`),
    wantsDefault: raw.default,
    ...(credentials && { credentials }),
    freshForMs: raw.freshFor,
    staleWhileRevalidateMs: raw.staleWhileRevalidate,
    staleIfErrorMs: raw.staleIfError,
    maxConnections: raw.maxConnections,
    ...(proxy && { proxy }),
    ...(caFile !== undefined && { caFile }),
    allowHosts: raw.allowHosts,
    timeouts: { connectMs: raw.timeouts.connect, headersMs: raw.timeouts.headers, stallMs: raw.timeouts.stall },
    retries: raw.retries,
  };
}

async function resolveProxy(value: unknown, path: KeyPath, reader: SectionReader): Promise<Secret | undefined> {
  const proxy = await reader.secret(value, path, 'proxy');
  const fault = proxy && faultOfRootUrl(proxy.reveal());
  if (fault === undefined) return proxy;
  return reader.refuse([...path, fieldOf(value, 'proxyFile') === undefined ? 'proxy' : 'proxyFile'], fault);
}

/** The one that says so, else Docker Hub unless it says no, else none. */
function chooseDefault(
  candidates: readonly Candidate[],
  entries: readonly [string, unknown][],
  reader: SectionReader,
): readonly UpstreamConfig[] {
  const [first, ...others] = entries.filter(([, entry]) => claimsDefault(entry)).map(([key]) => key);
  for (const key of others) {
    reader.refuse([...ROOT, key, 'default'], `is true for ${first} too; only one upstream can be the default`);
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

function allowedHost() {
  return parsedText(parseAllowedHost, 'a host; write for example cdn.example.com, "*.example.com" or 10.0.0.5:5000');
}

function parseAllowedHost(source: string): string | undefined {
  const wildcard = source.startsWith('*.') ? '*.' : '';
  const bare = source.slice(wildcard.length);
  const parsed = parseHostPort(bare) ?? parseHostPort(`[${bare}]`);
  if (parsed === undefined || parsed.host === '' || parsed.port === 0) return undefined;
  if (wildcard !== '' && isIP(parsed.host) !== 0) return undefined;
  return wildcard + formatHostPort(parsed);
}
