import { canonicalRegistry } from '../oci/repository.ts';
import { formatHostPort, parseHostPort } from './host-port.ts';

/**
 * A registry's name as it stands inside; undefined for what is none. Without a dot, a port or `localhost`, clients take
 * the first part of an image's name for a repository of the Hub.
 */
export function parseRegistryName(text: string): string | undefined {
  const parsed = parseHostPort(text);
  if (parsed === undefined || parsed.host === '' || parsed.port === 0) return undefined;
  const name = canonicalRegistry(formatHostPort(parsed));
  return /[.:]/.test(name) || name === 'localhost' ? name : undefined;
}
