import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatOrigin, ORIGIN_EXAMPLE, parseOrigin } from '../../src/util/replication-header.ts';

const BASE = `sha256:${'a'.repeat(64)}`;
const GOOD = `site=eu-west; sequence=42; clock=1764425000123.7; base=${BASE}`;

describe('what a site says of a change', () => {
  test('looks as it is agreed', () => {
    const header = { site: 'eu-west', sequence: 42, clock: { ms: 1_764_425_000_123, count: 7 }, base: BASE };
    expect(formatOrigin(header)).toBe(GOOD);
    expect(parseOrigin(GOOD)).toEqual(header);
    expect(formatOrigin({ site: 'a', sequence: 0, clock: { ms: 1, count: 0 } })).toBe('site=a; sequence=0; clock=1.0');
    expect(parseOrigin(ORIGIN_EXAMPLE.replace('<hex>', '0'.repeat(64)))).toMatchObject({ site: 'eu-west' });
  });

  test('is read as it was written', () => {
    const letters = 'abcxyzABC019'.split('');
    const site = fc
      .tuple(
        fc.constantFrom(...letters),
        fc.string({ unit: fc.constantFrom(...letters, '.', '_', '-'), maxLength: 61 }),
        fc.constantFrom(...letters),
      )
      .map((parts) => parts.join(''));
    const header = fc.record(
      {
        site,
        sequence: fc.nat({ max: 999_999_999_999_999 }),
        clock: fc.record({ ms: fc.nat({ max: 999_999_999_999_999 }), count: fc.nat({ max: 9_999_999_999 }) }),
        base: fc.constantFrom(BASE, `sha512:${'0'.repeat(128)}`),
      },
      { requiredKeys: ['site', 'sequence', 'clock'] },
    );
    fc.assert(
      fc.property(header, (value) => {
        expect(parseOrigin(formatOrigin(value))).toEqual({ ...value });
      }),
    );
  });

  test.each([
    ['in any order', `clock=5.0;base=${BASE} ; sequence=1 ;\tsite=a`],
    ['without a base', 'site=a;sequence=1;clock=5.0'],
  ])('may stand there %s', (_, text) => {
    expect(parseOrigin(text)).toMatchObject({ site: 'a', sequence: 1, clock: { ms: 5, count: 0 } });
  });

  test.each([
    '',
    ';',
    'eu-west',
    'site=a; sequence=1',
    'site=a; clock=5.0',
    'sequence=1; clock=5.0',
    'site=; sequence=1; clock=5.0',
    'site=a b; sequence=1; clock=5.0',
    'site=-a; sequence=1; clock=5.0',
    'site=a/b; sequence=1; clock=5.0',
    `site=${'a'.repeat(64)}; sequence=1; clock=5.0`,
    'site=a; sequence=-1; clock=5.0',
    'site=a; sequence=1e3; clock=5.0',
    `site=a; sequence=${'9'.repeat(16)}; clock=5.0`,
    'site=a; sequence=1; clock=5',
    'site=a; sequence=1; clock=5.0.0',
    'site=a; sequence=1; clock=.5',
    'site=a; sequence=1; clock=NaN.0',
    `site=a; sequence=1; clock=${'9'.repeat(16)}.0`,
    `site=a; sequence=1; clock=5.${'9'.repeat(11)}`,
    'site=a; sequence=1; clock=5.0; base=',
    'site=a; sequence=1; clock=5.0; base=none',
    `site=a; sequence=1; clock=5.0; base=sha256:${'a'.repeat(300)}`,
    'site=a; sequence=1; clock=5.0; color=red',
    'site=a; sequence=1; clock=5.0; site=b',
    'site=a; sequence=1; clock=5.0;',
    'site=a; sequence=1; clock=5.0, site=a; sequence=1; clock=5.0',
    'SITE=a; SEQUENCE=1; CLOCK=5.0',
    `site=a; sequence=1; clock=5.0${' '.repeat(600)}`,
  ])('is nothing when it is wrong: %j', (text) => {
    expect(parseOrigin(text)).toBe(undefined);
  });

  test('is read or not, whatever comes', () => {
    fc.assert(fc.property(fc.string({ maxLength: 700 }), (text) => void parseOrigin(text)));
  });
});
