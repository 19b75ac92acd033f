import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseReason } from '../../src/upstream/error-reason.ts';

const known = { code: 'MANIFEST_BLOB_UNKNOWN', message: 'blob unknown to registry' };

test.each([
  [{ errors: [known] }, 'MANIFEST_BLOB_UNKNOWN', 'MANIFEST_BLOB_UNKNOWN: blob unknown to registry'],
  [{ errors: [known, known] }, 'MANIFEST_BLOB_UNKNOWN', 'MANIFEST_BLOB_UNKNOWN: blob unknown to registry'],
  [{ errors: [{ code: 'A' }, { message: 'b' }] }, 'A', 'A; b'],
  [{ errors: [{ message: 'b' }, { code: 'A' }] }, 'A', 'b; A'],
  [{ errors: [{ code: 'not a code', message: 'two\r\nlines\u0007 \u202e' }] }, undefined, 'two lines'],
  [{ errors: [1, null, 'x', {}, { code: 5, message: 6 }] }, undefined, ''],
  [{ errors: Array.from({ length: 9 }, (_, code) => ({ code: `C${code}` })) }, 'C0', 'C0; C1; C2'],
  [{ errors: 'x' }, undefined, ''],
  [{ message: 'x' }, undefined, ''],
  [[], undefined, ''],
])('%j', (body, code, text) => {
  expect(parseReason(JSON.stringify(body))).toEqual({ code, text });
});

test.each([
  ['Your Authorization Token has expired.\n', 'Your Authorization Token has expired.'],
  ['<html>no</html>', ''],
  ['  <!doctype html>', ''],
  ['{"errors":[{"code":"CUT', ''],
  ['', ''],
])('%j is %j', (body, text) => {
  expect(parseReason(body)).toEqual({ code: undefined, text });
});

test('whatever comes is short, and one line', () => {
  const errors = fc.array(fc.record({ code: fc.string(), message: fc.string({ unit: 'binary', maxLength: 2000 }) }));
  const bodies = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.record({ errors }).map((body) => JSON.stringify(body)),
  );
  fc.assert(
    fc.property(bodies, (body) => {
      const { code, text } = parseReason(body);
      expect(text.length).toBeLessThan(1200);
      expect(text).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u);
      if (code !== undefined) expect(code).toMatch(/^[A-Z0-9_]+$/);
    }),
  );
});
