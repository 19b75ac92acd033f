import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { basic } from '../../conformance/support/send.ts';
import { dialHttp2 } from '../../http/http2-client.ts';
import { seededBytes, sha256 } from '../../support/bytes.ts';
import { PASSWORD } from '../../support/hosted.ts';
import { containersTools } from '../support/containers-tools.ts';
import { startDockerd } from '../support/dockerd.ts';
import { digestsOf, imageOfLayers } from '../support/runnable-images.ts';
import { dockerArchive } from './support/docker-archive.ts';
import { digestsInFolder, writeImageFolder } from './support/image-folder.ts';
import { startRegistry } from './support/registry.ts';

const MIB = 1024 * 1024;
const image = imageOfLayers('over TLS', [6 * MIB, 100]);

test('skopeo and docker log in, push and pull over TLS', async () => {
  await using registry = await startRegistry({ tls: true });
  await using tools = await containersTools({});
  await using dockerd = await startDockerd();
  const trusted = tools.path('trusted');
  await mkdir(trusted);
  await copyFile(registry.certFile ?? '', join(trusted, 'ca.crt'));
  await writeImageFolder(tools.path('image'), image);
  const app = `${registry.host}/local/app:v1`;
  const copy = ['copy', '--preserve-digests'];

  await expect(tools.login(registry.host, 'ci', PASSWORD, '--tls-verify=true')).rejects.toThrow('x509');
  await tools.login(registry.host, 'ci', PASSWORD, `--cert-dir=${trusted}`);
  await tools.skopeo(...copy, '--dest-cert-dir', trusted, `dir:${tools.path('image')}`, `docker://${app}`);
  await tools.skopeo(...copy, '--src-cert-dir', trusted, `docker://${app}`, `dir:${tools.path('back')}`);
  expect(await digestsInFolder(tools.path('back'))).toEqual(digestsOf(image));

  // Of addresses of the machine itself docker takes any certificate.
  const other = `${registry.host}/local/other:v1`;
  await writeFile(dockerd.path('image.tar'), dockerArchive(other, image));
  await dockerd.docker('load', '--input', dockerd.path('image.tar'));
  await dockerd.login(registry.host, 'ci', PASSWORD);
  await dockerd.docker('push', other);
  await dockerd.docker('image', 'prune', '--all', '--force');
  for (const name of [other, app]) {
    await dockerd.docker('pull', name);
    expect(await dockerd.docker('run', '--rm', '--network', 'none', name)).toBe(`${image.message}\n`);
  }
});

test('a client of HTTP/2 pushes many layers at once over one connection, and pulls them back', async () => {
  await using registry = await startRegistry({ tls: true });
  const cert = await readFile(registry.certFile ?? '', 'utf8');
  await using connection = await dialHttp2({ address: registry.host }, cert);
  expect(connection.session.alpnProtocol).toBe('h2');
  const base = '/v2/local/app/blobs';
  const ask = (method: string, path: string, body?: Uint8Array) =>
    connection.ask({ ':method': method, ':path': path, authorization: basic('ci') }, body);

  const layers = Array.from({ length: 12 }, (_, n) => seededBytes(3 * MIB + n, `layer ${n}`));
  await Promise.all(
    layers.map(async (bytes, n) => {
      const digest = sha256(bytes);
      const opened = await ask('POST', `${base}/uploads/`);
      expect(opened.headers[':status']).toBe(202);
      let location = String(opened.headers.location);
      let rest: Buffer | undefined = bytes;
      if (n % 2 === 0) {
        const patched = await ask('PATCH', location, bytes);
        expect(patched.headers).toMatchObject({ ':status': 202, range: `0-${bytes.length - 1}` });
        location = String(patched.headers.location);
        rest = undefined;
      }
      expect((await ask('PUT', `${location}?digest=${digest}`, rest)).headers[':status']).toBe(201);
    }),
  );
  for (const bytes of layers) {
    const { headers, body } = await ask('GET', `${base}/${sha256(bytes)}`);
    expect(headers[':status']).toBe(200);
    expect(body.equals(bytes)).toBe(true);
  }
});
