import type { Secret } from '../util/secret.ts';
import type { KeyPath } from './key-path.ts';
import type { SectionReader } from './section-reader.ts';
import { fieldOf } from './structures.ts';
import { faultOfRootUrl } from './web-url.ts';

/** The proxy that a map has under `proxy` or `proxyFile`; undefined if neither, or if refused. */
export async function resolveProxy(value: unknown, path: KeyPath, reader: SectionReader): Promise<Secret | undefined> {
  const proxy = await reader.secret(value, path, 'proxy');
  const fault = proxy && faultOfRootUrl(proxy.reveal());
  if (fault === undefined) return proxy;
  return reader.refuse([...path, fieldOf(value, 'proxyFile') === undefined ? 'proxy' : 'proxyFile'], fault);
}
