import { expect, test } from 'vitest';
import { parseWindow } from '../../src/config/time-window.ts';
import { loadText } from './load-text.ts';

const MIB = 1024 ** 2;

test('a peer and a rule need little', async () => {
  const config = await loadText(`
peers:
  us-east: {url: "https://mirror.example.com", credentials: {identityToken: t}}
replication:
  - {name: all, repositories: ["docker.io/library/**"], to: [us-east]}
`);
  expect(config.peers).toEqual([
    {
      name: 'us-east',
      site: 'us-east',
      url: new URL('https://mirror.example.com'),
      credentials: { type: 'identityToken', token: expect.anything() },
      maxJobs: 4,
      maxConnections: 8,
      only: [],
      allowHosts: [],
      timeouts: { connectMs: 10_000, headersMs: 30_000, stallMs: 30_000 },
    },
  ]);
  expect(config.replication).toEqual([
    {
      name: 'all',
      repositories: ['docker.io/library/**'],
      tags: ['*'],
      platforms: [],
      artifactTypes: [],
      to: ['us-east'],
      trigger: { type: 'event' },
      as: '{repository}',
      deletes: false,
      graceMs: 3_600_000,
      maxDelete: 0.1,
      priority: 0,
      only: [],
      fetch: false,
      check: '30 4 * * *',
    },
  ]);
});

test('a peer and a rule may have much', async () => {
  const config = await loadText(
    `
hosted: [local]
peers:
  us-east:
    {url: "https://a:5002", site: us-east-1, maxJobs: 2, maxConnections: 3, bandwidth: 10MiB/s, only: "20:00-06:00",
     chunks: 4MiB, proxy: "http://proxy:3128", ca: ca.pem, allowHosts: [b.example.com], timeouts: {stall: 5s}}
replication:
  - {name: some, repositories: ["local/*", "index.docker.io/alpine"], tags: ["v1.*", "semver:>=1.2 <2", 'regex:r-\\d+'],
     platforms: [linux/arm64/v8], artifactTypes: [image, "application/vnd.cncf.*"], to: [us-east],
     trigger: {schedule: "0 * * * *"}, as: "eu/{repository}", deletes: true, grace: 1d, maxDelete: 25%, priority: 7,
     bandwidth: 50MiB/s, only: ["00:00-06:00", "22:30-24:00"], fetch: true, check: never}
`,
    { files: { 'ca.pem': '' } },
  );
  expect(config.peers[0]).toMatchObject({
    site: 'us-east-1',
    maxJobs: 2,
    maxConnections: 3,
    bandwidthBytesPerSecond: 10 * MIB,
    only: [{ startMinute: 1200, endMinute: 360 }],
    chunkBytes: 4 * MIB,
    proxy: expect.anything(),
    caFile: expect.stringMatching(/^\/.*\/ca\.pem$/),
    allowHosts: ['b.example.com'],
    timeouts: { connectMs: 10_000, headersMs: 30_000, stallMs: 5_000 },
  });
  expect(config.replication).toEqual([
    {
      name: 'some',
      repositories: ['local/*', 'docker.io/library/alpine'],
      tags: ['v1.*', 'semver:>=1.2 <2', 'regex:r-\\d+'],
      platforms: ['linux/arm64/v8'],
      artifactTypes: ['image', 'application/vnd.cncf.*'],
      to: ['us-east'],
      trigger: { type: 'schedule', schedule: '0 * * * *' },
      as: 'eu/{repository}',
      deletes: true,
      graceMs: 86_400_000,
      maxDelete: 0.25,
      priority: 7,
      bandwidthBytesPerSecond: 50 * MIB,
      only: [
        { startMinute: 0, endMinute: 360 },
        { startMinute: 1350, endMinute: 0 },
      ],
      fetch: true,
      check: undefined,
    },
  ]);
});

test('one repository may have any name at the peer', async () => {
  const config = await loadText(`
peers: {us: {url: "https://us"}}
replication: [{name: a, repositories: [docker.io/library/alpine], to: [us], as: base/alpine}]
`);
  expect(config.replication[0]?.as).toBe('base/alpine');
});

test('peers may be siblings of upstreams and of hosted repositories', async () => {
  const config = await loadText(`
hosted: [local]
hostedRules: [{repositories: ["local/**"], siblings: [us]}]
upstreams: {docker.io: {siblings: [us]}, ghcr.io: {}}
peers: {us: {url: "https://us"}}
`);
  expect(config.upstreams.map(({ siblings }) => siblings)).toEqual([['us'], []]);
  expect(config.hostedRules[0]?.siblings).toEqual(['us']);
});

test.each([
  ['00:00-24:00', { startMinute: 0, endMinute: 0 }],
  ['20:00-06:30', { startMinute: 1200, endMinute: 390 }],
  ['06:00-06:00', undefined],
  ['20:00-24:01', undefined],
  ['24:00-06:00', undefined],
  ['8:00-9:00', undefined],
  ['20:00', undefined],
])('the part of the day %s', (text, window) => {
  expect(parseWindow(text)).toEqual(window);
});
