import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { readTlsFiles, watchTlsFiles } from '../../src/http/tls-files.ts';
import type { TlsIdentity } from '../../src/http/tls-server.ts';
import { makeCertificate } from '../support/certificate.ts';
import { makeIdentity } from '../support/identity.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

describe('the files of a listener', () => {
  test('are read, with the CA of its clients if there is one', async () => {
    await using folder = await temporaryDirectory();
    const files = await makeCertificate(folder.path);
    const identity = await readTlsFiles(files);
    expect(Object.keys(identity)).toEqual(['cert', 'key']);
    const withCa = await readTlsFiles({ ...files, clientCaFile: files.certFile });
    expect(withCa).toEqual({ ...identity, ca: identity.cert });
  });

  test('are refused when they do not fit together, or hold no certificate', async () => {
    await using folder = await temporaryDirectory();
    const files = await makeCertificate(folder.path);
    const wrong = join(folder.path, 'wrong.pem');
    await writeFile(wrong, (await makeIdentity()).key);
    await expect(readTlsFiles({ ...files, keyFile: wrong })).rejects.toThrow('key values mismatch');
    await expect(readTlsFiles({ ...files, certFile: wrong })).rejects.toThrow(Error);
    await expect(readTlsFiles({ ...files, clientCaFile: wrong })).rejects.toMatchObject({ code: 'NO_CERTIFICATE' });
    await expect(readTlsFiles({ ...files, clientCaFile: `${wrong}.not` })).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('are read again when one of them changes, the CA too, and what is wrong is told', async () => {
    await using folder = await temporaryDirectory();
    const files = { ...(await makeCertificate(folder.path)), clientCaFile: join(folder.path, 'ca.pem') };
    const [first, second] = await Promise.all([makeIdentity(), makeIdentity()]);
    await writeFile(files.clientCaFile, first.cert);
    const identities: TlsIdentity[] = [];
    const errors: unknown[] = [];
    using _watching = watchTlsFiles(
      files,
      (identity) => identities.push(identity),
      (error) => errors.push(error),
    );
    // Again and again: what changes before the first look is no change.
    const writeUntil = async (ca: string, isSeen: () => boolean) => {
      for (let count = 0; !isSeen(); count += 1) {
        await writeFile(files.clientCaFile, `${'\n'.repeat(count % 9)}${ca}`);
        await sleep(700);
      }
    };
    await writeUntil('none', () => errors.length > 0);
    expect(identities).toEqual([]);
    await writeUntil(second.cert, () => identities.length > 0);
    expect(identities[0]?.ca).toContain(second.cert);
  }, 60_000);
});
