import { readFile } from 'node:fs/promises';
import { makeCertificate } from './certificate.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** PEM. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
}

/** A new key with a certificate of its own for 127.0.0.1 and registry.test. */
export async function makeIdentity(): Promise<Identity> {
  await using folder = await temporaryDirectory();
  const { certFile, keyFile } = await makeCertificate(folder.path);
  return { cert: await readFile(certFile, 'utf8'), key: await readFile(keyFile, 'utf8') };
}
