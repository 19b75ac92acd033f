import { unwatchFile, watchFile } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { CodedError } from '../util/coded-error.ts';
import type { TlsIdentity } from './tls-server.ts';

/** PEM files of a listener. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  /** The CA certificates of which each client must have one. */
  readonly clientCaFile?: string;
}

/** Certificates are renewed days before they end: there is no hurry to notice. */
const CHECK_MS = 5_000;

/** Reads the files of a listener. @throws when one cannot be read, or they do not fit together */
export async function readTlsFiles({ certFile, keyFile, clientCaFile }: TlsFiles): Promise<TlsIdentity> {
  const [cert, key, ca] = await Promise.all([
    readFile(certFile, 'utf8'),
    readFile(keyFile, 'utf8'),
    clientCaFile === undefined ? undefined : readFile(clientCaFile, 'utf8'),
  ]);
  const identity = { cert, key, ...(ca !== undefined && { ca: checkedAuthorities(ca) }) };
  createSecureContext(identity);
  return identity;
}

/** Calls back with what the files hold whenever they have changed to something that works. */
export function watchTlsFiles(
  files: TlsFiles,
  onChange: (identity: TlsIdentity) => void,
  onError: (error: unknown) => void,
): Disposable {
  const watched = [files.certFile, files.keyFile, files.clientCaFile].filter((file) => file !== undefined);
  const reload = () => void readTlsFiles(files).then(onChange, onError);
  for (const file of watched) watchFile(file, { interval: CHECK_MS, persistent: false }, reload);
  return {
    [Symbol.dispose]: () => {
      for (const file of watched) unwatchFile(file, reload);
    },
  };
}

/** Node takes a file without certificates for one that trusts nobody. */
function checkedAuthorities(ca: string): string {
  const certificates = ca.match(/-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/g);
  if (!certificates) throw new CodedError('NO_CERTIFICATE', 'the file of client CAs holds no certificate in PEM');
  return ca;
}
