import { hostname } from 'node:os';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { siteOf } from '../../src/config/site.ts';
import { loadText } from './load-text.ts';

const PUBLIC = ['docker.io', 'ghcr.io', 'quay.io', 'registry.k8s.io', 'gcr.io', 'mcr.microsoft.com', 'public.ecr.aws'];

describe('without a file', () => {
  test('the defaults hold', async () => {
    const { upstreams, ...rest } = await loadConfig({ env: {}, cwd: '/srv' });
    expect(rest).toEqual({
      site: siteOf(hostname()),
      server: { listen: { host: '127.0.0.1', port: 5000 }, drainTimeoutMs: 30_000 },
      admin: { listen: { host: '127.0.0.1', port: 5001 } },
      log: { level: 'info', format: 'auto' },
      storage: { path: '/srv/data', minFreeBytes: 2 * 1024 ** 3, lowWatermark: 0.9 },
      scrub: { everyMs: 7 * 86_400_000, bytesPerSecond: 50 * 1024 ** 2 },
      pull: {
        readAhead: true,
        manifestLimitBytes: 4 * 1024 ** 2,
        notFoundForMs: 30_000,
        hotManifestBytes: 64 * 1024 ** 2,
        fillConnections: 4,
      },
      hosted: [],
      hostedRules: [],
      retentionSchedule: '30 3 * * *',
      uploads: { expireMs: 7 * 86_400_000 },
      events: { keepMs: 7 * 86_400_000 },
      webhooks: [],
      pins: [],
      warm: [],
      peers: [],
      replication: [],
    });
    expect(upstreams.map(({ name }) => name)).toEqual(PUBLIC);
    expect(upstreams[0]).toEqual({
      name: 'docker.io',
      url: new URL('https://registry-1.docker.io'),
      isDefault: true,
      credentials: [],
      rateReserve: 0.1,
      offline: false,
      allow: [],
      deny: [],
      immutable: [],
      onUpstreamDelete: 'keep',
      rules: [],
      freshForMs: 300_000,
      staleWhileRevalidateMs: 0,
      staleIfErrorMs: Infinity,
      maxConnections: 16,
      allowHosts: [],
      timeouts: { connectMs: 10_000, headersMs: 30_000, stallMs: 30_000 },
      retries: 3,
      siblings: [],
    });
    expect(upstreams.filter(({ isDefault }) => isDefault)).toHaveLength(1);
    expect(upstreams[1]?.url.href).toBe('https://ghcr.io/');
  });

  test('nothing of it can be changed', async () => {
    const config = await loadConfig({ env: {}, cwd: '/srv' });
    expect(() => Object.assign(config.upstreams[0]?.timeouts ?? {}, { connectMs: 1 })).toThrow(TypeError);
  });
});

test.each([
  '',
  '# nothing\n',
  'server:\nadmin:\nlog:\npull:\nstorage:\nscrub:\npins:\nwarm:\npeers:\nreplication:\naccess:\n',
  'hosted:\nhostedRules:\nretention:\nuploads:\nevents:\nwebhooks:\n',
])('a file of %j gives the defaults', async (text) => {
  const { upstreams, server, scrub, access } = await loadText(text);
  expect(upstreams.map(({ name }) => name)).toEqual(PUBLIC);
  expect(server.listen.port).toBe(5000);
  expect(scrub.everyMs).toBe(7 * 86_400_000);
  expect(access).toBeUndefined();
});

describe('an address to listen on', () => {
  test.each([
    ['0.0.0.0:80', '0.0.0.0', 80],
    ['":5000"', undefined, 5000],
    [':5000', undefined, 5000],
    ['"[::1]:5000"', '::1', 5000],
    ['localhost:0', 'localhost', 0],
  ])('is read from %s', async (text, host, port) => {
    expect((await loadText(`server: {listen: ${text}}`)).server.listen).toEqual({ host, port });
  });
});

describe('the default upstream', () => {
  test.each([
    ['{docker.io: , ghcr.io: }', 'docker.io'],
    ['{docker.io: , ghcr.io: {default: true}}', 'ghcr.io'],
    ['{docker.io: {default: false}, ghcr.io: }', undefined],
    ['{registry-1.docker.io: }', 'docker.io'],
    ['{ghcr.io: , quay.io: }', undefined],
  ])('of %s is %s', async (upstreams, name) => {
    const config = await loadText(`upstreams: ${upstreams}`);
    expect(config.upstreams.find(({ isDefault }) => isDefault)?.name).toBe(name);
  });
});

test('an upstream has all that is written about it', async () => {
  const config = await loadText(
    `
upstreams:
  Registry.Local:5000:
    url: http://10.0.0.5:5000/
    credentials: {username: alice, password: "\${PW}"}
    freshFor: 0
    staleWhileRevalidate: 1h30m
    staleIfError: 7d
    maxConnections: "\${CONNECTIONS}"
    proxy: http://user:pass@proxy:3128
    ca: ca.pem
    allowHosts: [CDN.example.com, "*.corp.example:8443", 10.0.0.7, "::1", "[fe80::0:1]:80"]
    timeouts: {connect: 250ms}
    retries: 0
pull: {readAhead: "\${READ_AHEAD}"}
`,
    { env: { PW: 'a: "b"', CONNECTIONS: '3', READ_AHEAD: 'false' }, files: { 'ca.pem': 'x' } },
  );
  const [upstream] = config.upstreams;
  expect(upstream).toMatchObject({
    name: 'registry.local:5000',
    url: new URL('http://10.0.0.5:5000'),
    isDefault: false,
    freshForMs: 0,
    staleWhileRevalidateMs: 5_400_000,
    staleIfErrorMs: 604_800_000,
    maxConnections: 3,
    caFile: expect.stringMatching(/^\/.*\/ca\.pem$/),
    allowHosts: ['cdn.example.com', '*.corp.example:8443', '10.0.0.7', '[::1]', '[fe80::1]:80'],
    timeouts: { connectMs: 250, headersMs: 30_000, stallMs: 30_000 },
    retries: 0,
  });
  const [credentials] = upstream?.credentials ?? [];
  expect(credentials?.type === 'basic' && credentials.password.reveal()).toBe('a: "b"');
  expect(upstream?.proxy?.reveal()).toBe('http://user:pass@proxy:3128');
  expect(config.pull.readAhead).toBe(false);
});

test('files are found beside the configuration', async () => {
  const text = 'server: {tls: {cert: tls.crt, key: tls.key}}\nstorage: {path: /var/lib/entrepot}';
  const { server, storage } = await loadText(text, { files: { 'tls.crt': 'x', 'tls.key': 'x' } });
  expect(server.tls?.certFile).toMatch(/^\/.*\/tls\.crt$/);
  expect(server.tls?.keyFile).toMatch(/^\/.*\/tls\.key$/);
  expect(storage.path).toBe('/var/lib/entrepot');
});

test.each([
  ['build-7.example.com', 'build-7.example.com'],
  ['Jörg_s Laptop!', 'j-rg_s-laptop'],
  ['...', 'site'],
])('the host name %j gives the site %j', (hostName, site) => {
  expect(siteOf(hostName)).toBe(site);
});

test('a few blocks may be shared by aliases', async () => {
  const text = 'upstreams:\n  ghcr.io: &slow {retries: 1, timeouts: {stall: 2m}}\n  quay.io: *slow\n';
  const { upstreams } = await loadText(text);
  expect(upstreams.map(({ timeouts }) => timeouts.stallMs)).toEqual([120_000, 120_000]);
});
