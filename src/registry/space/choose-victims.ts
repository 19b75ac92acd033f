import type { Root } from '../../metadata/metadata-index.ts';

/**
 * The first of them that together have at least so many bytes, and one at least. What they share with others is not freed
 * by that: then the next ones follow, but nothing goes that need not.
 * @param oldestFirst roots that may go
 */
export function chooseVictims<Candidate extends Pick<Root, 'diskBytes'>>(
  oldestFirst: readonly Candidate[],
  missingBytes: number,
): Candidate[] {
  const victims: Candidate[] = [];
  let sumBytes = 0;
  for (const root of oldestFirst) {
    if (victims.length > 0 && sumBytes >= missingBytes) break;
    victims.push(root);
    sumBytes += root.diskBytes;
  }
  return victims;
}
