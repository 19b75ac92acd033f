import { isIP } from 'node:net';
import { formatHostPort, parseHostPort } from './host-port.ts';
import { parsedText } from './scalars.ts';

/** A host that redirects may lead to: `cdn.example.com`, `10.0.0.5:5000`, `*.example.com`. */
export function allowedHost() {
  return parsedText(parseAllowedHost, 'a host; write for example cdn.example.com, "*.example.com" or 10.0.0.5:5000');
}

function parseAllowedHost(source: string): string | undefined {
  const wildcard = source.startsWith('*.') ? '*.' : '';
  const bare = source.slice(wildcard.length);
  const parsed = parseHostPort(bare) ?? parseHostPort(`[${bare}]`);
  if (parsed === undefined || parsed.host === '' || parsed.port === 0) return undefined;
  if (wildcard !== '' && isIP(parsed.host) !== 0) return undefined;
  return wildcard + formatHostPort(parsed);
}
