import type { TlsConfig } from './config.ts';
import type { KeyPath } from './key-path.ts';
import { text } from './scalars.ts';
import type { SectionReader } from './section-reader.ts';
import { fieldOf, map } from './structures.ts';

/** Checks the shape; {@link resolveTls} finds the files. */
export function tls() {
  return map({ cert: text(), key: text(), clientCa: text().optional() }).optional();
}

/** A listener's certificate, its files found; undefined if it has none, or one was refused. */
export async function resolveTls(
  section: unknown,
  path: KeyPath,
  reader: SectionReader,
): Promise<TlsConfig | undefined> {
  const value = fieldOf(section, 'tls');
  const at = [...path, 'tls'];
  const certFile = await reader.file(value, at, 'cert');
  const keyFile = await reader.file(value, at, 'key');
  const clientCaFile = await reader.file(value, at, 'clientCa');
  if (certFile === undefined || keyFile === undefined) return undefined;
  return { certFile, keyFile, ...(clientCaFile !== undefined && { clientCaFile }) };
}
