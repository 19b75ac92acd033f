import { readFile } from 'node:fs/promises';
import { get } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { makeCertificate } from '../../support/certificate.ts';
import { startEntrepot } from '../../support/entrepot.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

/** The status of an answer, if the server's certificate is this one. */
function statusOver(url: string, ca: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    get(url, { ca, agent: false }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode));
    }).on('error', reject);
  });
}

test('the mirror serves TLS, and takes a renewed certificate without a restart', async () => {
  await using folder = await temporaryDirectory();
  const { certFile, keyFile } = await makeCertificate(folder.path);
  const server = { listen: '127.0.0.1:0', tls: { cert: certFile, key: keyFile } };
  await using entrepot = await startEntrepot({ config: { server } });
  const url = `${entrepot.url.replace('http:', 'https:')}/v2/`;
  expect(await statusOver(url, await readFile(certFile, 'utf8'))).toBe(200);

  await makeCertificate(folder.path);
  const renewed = await readFile(certFile, 'utf8');
  let status: number | undefined;
  for (let tries = 0; status === undefined && tries < 60; tries += 1) {
    status = await statusOver(url, renewed).catch(() => undefined);
    await delay(200);
  }
  expect(status).toBe(200);
});
