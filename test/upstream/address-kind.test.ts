import { expect, it } from 'vitest';
import { addressKind } from '../../src/upstream/address-kind.ts';

const ADDRESSES = {
  loopback: [
    '127.0.0.1',
    '127.255.255.255',
    '::1',
    '[::1]',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::127.0.0.1',
    '2002:7f00:1::',
  ],
  'link-local': ['169.254.169.254', 'fe80::1', 'fe80::1%eth0', '::ffff:169.254.169.254', '64:ff9b::a9fe:a9fe'],
  private: [
    '10.0.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '100.64.0.1',
    'fd00::1',
    'fec0::1',
    '::ffff:10.0.0.1',
    '64:ff9b::10.0.0.1',
    '64:ff9b:1::1',
  ],
  reserved: [
    '0.0.0.0',
    '0.1.2.3',
    '::',
    '224.0.0.1',
    '255.255.255.255',
    'ff02::1',
    '240.0.0.1',
    '192.0.2.1',
    '2001:db8::1',
    'no address',
    '',
  ],
  public: [
    '8.8.8.8',
    '172.15.0.1',
    '172.32.0.1',
    '100.63.0.1',
    '100.128.0.1',
    '2606:4700::1111',
    '64:ff9b::8.8.8.8',
    '::ffff:8.8.8.8',
    '2002:808:808::',
  ],
} as const;

it.each(Object.entries(ADDRESSES).flatMap(([kind, addresses]) => addresses.map((address) => [address, kind])))(
  'takes %j for %s',
  (address, kind) => {
    expect(addressKind(address)).toBe(kind);
  },
);
