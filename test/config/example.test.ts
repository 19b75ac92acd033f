import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { loadText } from './load-text.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
// A commented key, item or bracket of the example, and not a sentence.
const COMMENTED_YAML = /^( *)# ( *(?:- )?(?:[\w-]+: ?.*|\{.*))$/gm;

test('the example is the default configuration', async () => {
  const example = await loadConfig({ file: 'config.example.yaml', env: {}, cwd: ROOT });
  expect(example).toEqual(await loadConfig({ env: {}, cwd: ROOT }));
});

test('what the example shows commented out is right too', async () => {
  const text = await readFile(`${ROOT}config.example.yaml`, 'utf8');
  const body = text.slice(text.indexOf('# site:'));
  const full = body
    // Two ways of logging in: the second one stays a comment.
    .replace(/^ *# credentials: # \.\.\. or.*\n.*\n/m, '')
    .replaceAll(COMMENTED_YAML, '$1$2')
    .replaceAll(/\/run\/secrets\/[\w-]+/g, 'secret');
  const files = { 'tls.crt': '', 'tls.key': '', secret: 'x', 'ca.pem': '', htpasswd: '' };
  const config = await loadText(full, { env: { PROXY_PASSWORD: 'x' }, files });
  expect(config).toMatchObject({
    site: 'eu-west',
    registry: { listen: { port: 5002 } },
    hosted: ['local'],
    pins: ['docker.io/library/debian:*'],
    access: { policy: [{ who: 'anonymous' }, { who: 'ci' }] },
    peers: [{ name: 'us-east' }],
    replication: [{ name: 'base-images', bandwidthBytesPerSecond: 50 * 1024 ** 2 }],
  });
  expect(config.server.tls).toBeDefined();
  expect(config.storage.quotaBytes).toBe(100 * 1024 ** 3);
  expect(config.upstreams[0]).toMatchObject({ credentials: { type: 'basic' }, caFile: expect.any(String) });
});
