import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { firstOffset, parseRange, type RangeSpec, resolveRanges } from '../../src/http/byte-range.ts';

function from(startBytes: number, lastBytes?: number): RangeSpec {
  return { kind: 'from', startBytes, lastBytes };
}

function suffix(lengthBytes: number): RangeSpec {
  return { kind: 'suffix', lengthBytes };
}

describe('parseRange', () => {
  test.each<[string, RangeSpec[]]>([
    ['bytes=0-', [from(0)]],
    ['bytes=0-0', [from(0, 0)]],
    ['bytes=5-9', [from(5, 9)]],
    ['bytes=9-5', [from(9, 5)]],
    ['bytes=-5', [suffix(5)]],
    ['bytes=-0', [suffix(0)]],
    ['BYTES=0-1', [from(0, 1)]],
    [' bytes = 0-1 , 5- ', [from(0, 1), from(5)]],
    ['bytes=0-1,,-7', [from(0, 1), suffix(7)]],
    ['bytes=007-009', [from(7, 9)]],
    ['bytes=0-999999999999999', [from(0, 999_999_999_999_999)]],
  ])('reads %j', (header, specs) => {
    expect(parseRange(header)).toEqual(specs);
  });

  test.each([
    undefined,
    '',
    'bytes',
    'bytes=',
    'bytes=,',
    'bytes=-',
    'bytes=a-b',
    'bytes=1',
    'bytes=1-2-3',
    'bytes=--1',
    'bytes=+1-2',
    'bytes=1.5-2',
    'bytes=0x1-2',
    'bytes=0-1,x',
    'items=0-1',
    'bytes=1 -2',
    `bytes=${'9'.repeat(16)}-`,
    `bytes=${Array.from({ length: 1001 }, () => '0-0').join(',')}`,
  ])('ignores %j', (header) => {
    expect(parseRange(header)).toBe(undefined);
  });

  test('never throws', () => {
    const unit = fc.constantFrom(...'0123456789-, =bytes'.split(''));
    fc.assert(
      fc.property(fc.string({ unit }), (text) => {
        expect(parseRange(`bytes=${text}`)?.length).not.toBe(0);
      }),
    );
  });
});

describe('firstOffset', () => {
  test.each<[RangeSpec[] | undefined, number]>([
    [undefined, 0],
    [[from(7, 9), from(1)], 7],
    [[suffix(5)], 0],
  ])('of %j is %i', (specs, offset) => {
    expect(firstOffset(specs)).toBe(offset);
  });
});

/** RFC 9110 14.1.2, byte by byte. */
function positionsOf(spec: RangeSpec, size: number): number[] {
  return Array.from({ length: size }, (_, position) => position).filter((position) =>
    spec.kind === 'suffix'
      ? position >= size - spec.lengthBytes
      : position >= spec.startBytes && position <= (spec.lastBytes ?? Infinity),
  );
}

describe('resolveRanges', () => {
  const number = fc.integer({ min: 0, max: 25 });
  const spec = fc.oneof(
    fc.tuple(number, fc.option(number, { nil: undefined })).map(([start, last]) => from(start, last)),
    number.map(suffix),
  );

  test('gives the bytes that the RFC says, in the order asked for, or the whole when that is less', () => {
    fc.assert(
      fc.property(fc.array(spec, { minLength: 1, maxLength: 4 }), fc.integer({ min: 0, max: 20 }), (specs, size) => {
        const expected = specs.map((one) => positionsOf(one, size)).filter((positions) => positions.length > 0);
        const edges = expected.map((positions) => ({
          startBytes: positions.at(0),
          endBytes: (positions.at(-1) ?? 0) + 1,
        }));
        const isMoreThanWhole = expected.length > 1 && expected.flat().length > size;
        expect(resolveRanges(specs, size)).toEqual(isMoreThanWhole ? undefined : edges);
      }),
      { numRuns: 2000 },
    );
  });

  test.each<[RangeSpec, number]>([
    [from(0), 0],
    [from(10), 10],
    [from(11, 20), 10],
    [from(5, 4), 10],
    [suffix(0), 10],
    [suffix(5), 0],
  ])('has nothing of %j in %i bytes', (one, size) => {
    expect(resolveRanges([one], size)).toEqual([]);
  });

  test('leaves a single range alone even if it is the whole', () => {
    expect(resolveRanges([from(0), from(50)], 10)).toEqual([{ startBytes: 0, endBytes: 10 }]);
  });
});
