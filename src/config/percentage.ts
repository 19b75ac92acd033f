const PERCENTAGE = /^(\d{1,9}(?:\.\d{1,9})?)(%?)$/;

/** A part of a whole, 1 being all of it: `10%`, `12.5%`, `0.1`. It may be more than the whole. Undefined for anything else. */
export function parsePercentage(text: string): number | undefined {
  const match = PERCENTAGE.exec(text);
  return match === null ? undefined : Number(match[1]) / (match[2] === '%' ? 100 : 1);
}
