import { expect, it } from 'vitest';
import { parseContentRange } from '../../src/upstream/content-range.ts';

it.each<[string | undefined, ReturnType<typeof parseContentRange>]>([
  ['bytes 0-9/100', { startBytes: 0, endBytes: 10, totalBytes: 100 }],
  ['bytes 90-99/100', { startBytes: 90, endBytes: 100, totalBytes: 100 }],
  ['Bytes  5-5/*', { startBytes: 5, endBytes: 6, totalBytes: undefined }],
  ['bytes 0-100/100', undefined],
  ['bytes 9-0/100', undefined],
  ['bytes */100', undefined],
  ['items 0-9/100', undefined],
  ['bytes 0-9', undefined],
  ['bytes 0-9/1e3', undefined],
  [undefined, undefined],
])('reads Content-Range: %s', (text, expected) => {
  expect(parseContentRange(text)).toEqual(expected);
});
