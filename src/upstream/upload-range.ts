const RANGE = /^\s*(bytes=)?0-(\d{1,15})\s*$/i;

/**
 * How many bytes of an upload have arrived, by its `Range` (distribution-spec, "Pushing a blob in chunks"); undefined if it
 * does not say. The end is included, but Quay's answer to GET writes `bytes=` before a range whose end is not
 * (quay, endpoints/v2/blob.py). `0-0` stands for one byte and, at most registries, for none too: it is none.
 */
export function receivedBytesOf(range: string | undefined): number | undefined {
  const [, isQuay, end] = RANGE.exec(range ?? '') ?? [];
  if (end === undefined) return undefined;
  const last = Number(end);
  return last === 0 || isQuay !== undefined ? last : last + 1;
}
