import { expect, test } from 'vitest';
import { parseUploadNote, uploadNote } from '../../../src/registry/pushing/upload-note.ts';

test('what is noted is read again', () => {
  const owner = { repository: 'local/a/b', principal: 'who "ever" \u{1F600}' };
  expect(parseUploadNote(uploadNote(owner))).toEqual(owner);
});

test.each([
  '',
  'x',
  'null',
  '[]',
  '{}',
  '{"version":2,"repository":"a/b","principal":"c"}',
  '{"version":1,"repository":1}',
])('%j is no note of ours', (text) => {
  expect(parseUploadNote(text)).toBe(undefined);
});
