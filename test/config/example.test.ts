import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import { loadText } from './load-text.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
// A commented key, item or bracket of the example, and not a sentence.
const COMMENTED_YAML = /^( *)# ( *(?:- )?(?:[\w-]+: ?.*|\{.*))$/gm;
const WAY_OF_LOGGING_IN = /^ *# credentials: #.*\n(?: *# {3}.*\n)+/gm;

/** The example with all that it shows commented out, and of its ways of logging in the one at this index. */
async function loadFullExample(wayOfLoggingIn: number): Promise<Config> {
  const text = await readFile(`${ROOT}config.example.yaml`, 'utf8');
  let way = 0;
  const full = text
    .slice(text.indexOf('# site:'))
    .replaceAll(WAY_OF_LOGGING_IN, (block) => (way++ === wayOfLoggingIn ? block : ''))
    .replaceAll(COMMENTED_YAML, '$1$2')
    .replaceAll(/\/run\/secrets\/[\w-]+/g, 'secret');
  expect(way).toBe(3);
  const files = { 'tls.crt': '', 'tls.key': '', 'clients.pem': '', secret: 'x'.repeat(32), 'ca.pem': '', htpasswd: '' };
  return await loadText(full, { env: { PROXY_PASSWORD: 'x' }, files });
}

test('the example is the default configuration', async () => {
  const example = await loadConfig({ file: 'config.example.yaml', env: {}, cwd: ROOT });
  expect(example).toEqual(await loadConfig({ env: {}, cwd: ROOT }));
});

test('what the example shows commented out is right too', async () => {
  const config = await loadFullExample(0);
  expect(config).toMatchObject({
    site: 'eu-west',
    server: { tls: { clientCaFile: expect.any(String) } },
    registry: { listen: { port: 5002 }, tls: expect.anything(), url: new URL('https://registry.example.com') },
    admin: { tls: expect.anything(), token: expect.anything() },
    storage: { quotaBytes: 100 * 1024 ** 3 },
    hosted: ['local'],
    pins: ['docker.io/library/debian:*'],
    warm: [{ images: ['alpine', 'docker.io/library/debian:12*'], platforms: [], schedule: '0 5 * * *' }],
    hostedRules: [{ immutable: ['v*'], deletes: true, sparse: false, retention: { keepLast: 10 } }],
    access: {
      policy: [
        { who: ['ci'] },
        { who: ['us-east', 'us-west'] },
        { who: ['authenticated'] },
        { mayNot: ['pull'] },
        { who: ['anonymous'] },
      ],
      auditFile: expect.stringMatching(/^\/.*\/audit\.log$/),
    },
    webhooks: [{ name: 'scanner', timeoutMs: 10_000, token: expect.anything(), secret: expect.anything() }],
    peers: [{ name: 'us-east' }],
    replication: [{ name: 'base-images', bandwidthBytesPerSecond: 50 * 1024 ** 2 }],
  });
  expect(config.upstreams[0]).toMatchObject({
    quotaBytes: 20 * 1024 ** 3,
    rules: [{ repositories: ['library/*'], freshForMs: 3_600_000, immutable: ['v*'], onUpstreamDelete: 'drop' }],
    caFile: expect.any(String),
  });
});

test.each([
  [0, [{ type: 'basic', username: 'alice' }]],
  [1, [{ type: 'identityToken' }]],
  [2, [{ username: 'alice' }, { username: 'bob' }]],
])('way %d of logging in that the example shows is right', async (way, credentials) => {
  expect((await loadFullExample(way)).upstreams[0]?.credentials).toMatchObject(credentials);
});
