import { describe, expect, test } from 'vitest';
import { loadText } from './load-text.ts';

const DAY_MS = 86_400_000;
const DIGEST = `sha256:${'0a'.repeat(32)}`;

describe('space on the disk', () => {
  test.each([
    ['0.5', 0.5],
    ['75%', 0.75],
    ['1', 1],
    ['"${MARK}"', 0.8],
  ])('is freed down to a lowWatermark of %s', async (text, lowWatermark) => {
    const { storage } = await loadText(`storage: {quota: 1GiB, minFree: 0, lowWatermark: ${text}}`, {
      env: { MARK: '80%' },
    });
    expect(storage).toMatchObject({ quotaBytes: 1024 ** 3, minFreeBytes: 0, lowWatermark });
  });
});

describe('a scrub', () => {
  test.each([
    ['1m', 60_000],
    ['30d', 30 * DAY_MS],
    ['never', Infinity],
    ['off', Infinity],
    ['forever', Infinity],
  ])('every %s comes every %d ms', async (every, everyMs) => {
    const { scrub } = await loadText(`scrub: {every: ${every}, rate: 1KiB/s}`);
    expect(scrub).toEqual({ everyMs, bytesPerSecond: 1024 });
  });
});

test('an upstream has its limits, and rules for some of its repositories', async () => {
  const { upstreams } = await loadText(`
upstreams:
  docker.io:
    credentials: [{username: alice, password: a}, {username: bob, password: b}, {identityToken: c}]
    quota: 20GiB
    rateReserve: 0.25
    offline: "true"
    allow: [library/*, "docker.io/bitnami/**"]
    deny: [library/mysql]
    immutable: ["v*"]
    onUpstreamDelete: drop
    rules:
      - {repositories: ["library/debian*"], freshFor: 1h, staleWhileRevalidate: forever, staleIfError: 0}
      - {repositories: ["**"], immutable: [], onUpstreamDelete: keep}
`);
  const [upstream] = upstreams;
  expect(upstream).toMatchObject({
    credentials: [{ username: 'alice' }, { username: 'bob' }, { type: 'identityToken' }],
    quotaBytes: 20 * 1024 ** 3,
    rateReserve: 0.25,
    offline: true,
    allow: ['library/*', 'docker.io/bitnami/**'],
    deny: ['library/mysql'],
    immutable: ['v*'],
    onUpstreamDelete: 'drop',
  });
  expect(upstream?.rules).toEqual([
    { repositories: ['library/debian*'], freshForMs: 3_600_000, staleWhileRevalidateMs: Infinity, staleIfErrorMs: 0 },
    { repositories: ['**'], immutable: [], onUpstreamDelete: 'keep' },
  ]);
});

test.each(['[]', '[{username: alice, password: a}]', '{username: alice, password: a}'])(
  'credentials of %s are a list',
  async (credentials) => {
    const { upstreams } = await loadText(`upstreams: {ghcr.io: {credentials: ${credentials}}}`);
    expect(upstreams[0]?.credentials).toHaveLength(credentials === '[]' ? 0 : 1);
  },
);

describe('a pattern of repositories has the names that these have inside', () => {
  test.each([
    ['docker.io', 'alpine', 'library/alpine'],
    ['docker.io', '"*"', 'library/*'],
    ['docker.io', '"**"', '**'],
    ['docker.io', 'docker.io/alpine', 'docker.io/library/alpine'],
    ['docker.io', 'index.docker.io/bitnami/*', 'docker.io/bitnami/*'],
    ['registry-1.docker.io', 'registry-1.docker.io/**', 'docker.io/**'],
    ['ghcr.io', 'alpine', 'alpine'],
    ['ghcr.io', 'docker.io/alpine', 'docker.io/alpine'],
  ])('under %s %s is %s', async (upstream, pattern, expected) => {
    const rules = `[{repositories: [${pattern}], freshFor: 1m}]`;
    const { upstreams } = await loadText(
      `upstreams: {${upstream}: {allow: [${pattern}], deny: [${pattern}], rules: ${rules}}}`,
    );
    expect(upstreams[0]).toMatchObject({ allow: [expected], deny: [expected], rules: [{ repositories: [expected] }] });
  });

  test.each([
    ['docker.io/library/debian:12*', 'docker.io/library/debian:12*'],
    ['docker.io/debian:12', 'docker.io/library/debian:12'],
    [`index.docker.io/debian@${DIGEST}`, `docker.io/library/debian@${DIGEST}`],
    ['docker.io/**:v1', 'docker.io/**:v1'],
    ['**/debian', '**/debian'],
    ['ghcr.io/a', 'ghcr.io/a'],
    ['localhost:5000/a:b', 'localhost:5000/a:b'],
    ['local/app', 'local/app'],
    ['debian', 'docker.io/library/debian'],
    ['debian:*', 'docker.io/library/debian:*'],
    ['deb*:v1', 'docker.io/library/deb*:v1'],
    [`library/debian@${DIGEST}`, `docker.io/library/debian@${DIGEST}`],
    ['bitnami/**', 'docker.io/bitnami/**'],
    ['**', '**'],
    ['*.io/a', '*.io/a'],
  ])('pinned %s is %s', async (pin, expected) => {
    const text = `upstreams: {docker.io: , ghcr.io: , localhost:5000: }\nhosted: [local]\npins: ["${pin}"]`;
    expect((await loadText(text)).pins).toEqual([expected]);
  });
});

test('images are warmed on a schedule', async () => {
  const images = [
    'alpine',
    'library/debian:12*',
    'Docker.io/debian',
    `ghcr.io/owner/app@${DIGEST}`,
    'r.local:5000/a:1',
  ];
  const { warm } = await loadText(`
upstreams: {docker.io: , ghcr.io: , r.local:5000: }
warm:
  - images: ${JSON.stringify(images)}
    platforms: [linux/amd64, linux/arm/v7]
    schedule: 0 5 * * MON-FRI
  - {images: [alpine], schedule: "*/30 * * * *"}
`);
  expect(warm).toEqual([
    { images, platforms: ['linux/amd64', 'linux/arm/v7'], schedule: '0 5 * * MON-FRI' },
    { images: ['alpine'], platforms: [], schedule: '*/30 * * * *' },
  ]);
});
