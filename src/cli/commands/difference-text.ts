import type { Difference } from '../../replication/replication-operations.ts';
import { printable } from '../output/format.ts';

const SHORT = 'sha256:'.length + 12;

/** What differs, on one line. */
export function differenceLine({ peer, repository, tag, kind, here, there }: Difference): string {
  return printable(`${peer}: ${repository}:${tag} ${describe(kind, short(here), short(there))}`);
}

function describe(kind: Difference['kind'], here: string, there: string): string {
  switch (kind) {
    case 'missing':
      return `is missing there (${here} here)`;
    case 'different':
      return `is ${there} there, ${here} here`;
    case 'extra':
      return `is only there (${there})`;
    case 'deleted':
      return `was deleted here, and is ${there} there`;
  }
}

function short(digest = 'unknown'): string {
  return digest.slice(0, SHORT);
}
