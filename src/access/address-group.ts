import { isIPv6 } from 'node:net';

const GROUPS_OF_64_BITS = 4;
const GROUPS = 8;

/**
 * Whose addresses count as one: an IPv4 address by itself, an IPv6 address with all of its /64, which is what one
 * customer or one machine has.
 */
export function addressGroup(address: string | undefined): string {
  if (address === undefined) return 'unknown';
  const [bare = ''] = address.split('%');
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1];
  if (mapped !== undefined) return mapped;
  return isIPv6(bare) ? `${networkOf(bare)}::/64` : bare;
}

function networkOf(address: string): string {
  const [head = [], tail] = address.split('::').map((part) => (part === '' ? [] : part.split(':')));
  const groups = tail === undefined ? head : [...head, ...zeros(GROUPS - head.length - tail.length), ...tail];
  return groups
    .slice(0, GROUPS_OF_64_BITS)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}

function zeros(count: number): string[] {
  return Array.from({ length: Math.max(0, count) }, () => '0');
}
