import { BlockList, isIPv4, isIPv6 } from 'node:net';

/** What an IP address is for; whatever may stand on the public internet is `public`. */
export type AddressKind = 'public' | 'loopback' | 'private' | 'link-local' | 'reserved';

type Range = readonly [network: string, prefix: number];

/** RFC 6890 and the registries that it started: IANA "IPv4/IPv6 Special-Purpose Address Space". */
const RANGES: Record<
  Exclude<AddressKind, 'public'>,
  { readonly v4: readonly Range[]; readonly v6: readonly Range[] }
> = {
  loopback: { v4: [['127.0.0.0', 8]], v6: [['::1', 128]] },
  'link-local': { v4: [['169.254.0.0', 16]], v6: [['fe80::', 10]] },
  private: {
    v4: [
      ['10.0.0.0', 8],
      ['172.16.0.0', 12],
      ['192.168.0.0', 16],
      ['100.64.0.0', 10],
      ['198.18.0.0', 15],
    ],
    v6: [
      ['fc00::', 7],
      ['fec0::', 10],
      ['64:ff9b:1::', 48],
    ],
  },
  reserved: {
    v4: [
      ['0.0.0.0', 8],
      ['192.0.0.0', 24],
      ['192.0.2.0', 24],
      ['192.88.99.0', 24],
      ['198.51.100.0', 24],
      ['203.0.113.0', 24],
      ['224.0.0.0', 4],
      ['240.0.0.0', 4],
    ],
    v6: [
      ['::', 128],
      ['100::', 64],
      ['2001::', 32],
      ['2001:db8::', 32],
      ['ff00::', 8],
    ],
  },
};

const LISTS = Object.entries(RANGES).map(([kind, { v4, v6 }]) => ({ kind: kind as AddressKind, list: listOf(v4, v6) }));

/** The kind of an IP address as a resolver or a URL gives it, brackets and zone allowed; what is no address is reserved. */
export function addressKind(address: string): AddressKind {
  const bare = address.replace(/^\[|\]$/g, '').replace(/%.*$/, '');
  const family = isIPv4(bare) ? 'ipv4' : 'ipv6';
  if (family === 'ipv6' && !isIPv6(bare)) return 'reserved';
  return LISTS.find(({ list }) => list.check(bare, family))?.kind ?? 'public';
}

function listOf(v4: readonly Range[], v6: readonly Range[]): BlockList {
  const list = new BlockList();
  for (const [network, prefix] of v6) list.addSubnet(network, prefix, 'ipv6');
  for (const [network, prefix] of v4) {
    // Covers ::ffff:a.b.c.d as well: BlockList compares mapped addresses with the IPv4 rules.
    list.addSubnet(network, prefix, 'ipv4');
    // The other ways to write an IPv4 address in an IPv6 one: NAT64 (RFC 6052), compatible (RFC 4291), 6to4 (RFC 3056).
    list.addSubnet(`64:ff9b::${network}`, 96 + prefix, 'ipv6');
    list.addSubnet(`::${network}`, 96 + prefix, 'ipv6');
    list.addSubnet(`2002:${hexGroups(network)}::`, 16 + prefix, 'ipv6');
  }
  return list;
}

function hexGroups(ipv4: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = ipv4.split('.').map(Number);
  return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}
