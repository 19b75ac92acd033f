import type { UploadRange } from '../registry/pushing/incoming-bytes.ts';

/** Of the distribution-spec ("Pushing a blob in chunks"), and what clients send that take it for HTTP's: `bytes 0-99/*`. */
const RANGE = /^(?:bytes[ =])?(\d{1,15})-(\d{1,15})(?:\/(?:\d{1,15}|\*))?$/;

/** Where a chunk belongs; `invalid` for what says nothing of that. */
export function parseContentRange(header: string | undefined): UploadRange | 'invalid' | undefined {
  if (header === undefined) return undefined;
  const [, first = '', last = ''] = RANGE.exec(header.trim()) ?? [];
  if (first === '' || Number(last) < Number(first)) return 'invalid';
  return { startBytes: Number(first), endBytes: Number(last) + 1 };
}
