import { unwatchFile, watchFile } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { TlsIdentity } from './listener.ts';

/** Certificates are renewed days before they end: there is no hurry to notice. */
const CHECK_MS = 5_000;

/** Reads certificate and key. @throws when a file cannot be read, or they do not fit together */
export async function readTlsFiles(files: { certFile: string; keyFile: string }): Promise<TlsIdentity> {
  const [cert, key] = await Promise.all([readFile(files.certFile, 'utf8'), readFile(files.keyFile, 'utf8')]);
  createSecureContext({ cert, key });
  return { cert, key };
}

/** Calls back with the new certificate whenever the files have changed to a pair that works. */
export function watchTlsFiles(
  files: { certFile: string; keyFile: string },
  onChange: (identity: TlsIdentity) => void,
  onError: (error: unknown) => void,
): Disposable {
  const reload = () => void readTlsFiles(files).then(onChange, onError);
  for (const file of [files.certFile, files.keyFile])
    watchFile(file, { interval: CHECK_MS, persistent: false }, reload);
  return {
    [Symbol.dispose]: () => {
      for (const file of [files.certFile, files.keyFile]) unwatchFile(file, reload);
    },
  };
}
