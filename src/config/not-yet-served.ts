import type { Config } from './config.ts';

/** Something that is configured and that this version does not do. */
export interface NotYetServed {
  readonly key: string;
  readonly message: string;
}

const LATER = 'this version does not serve it yet';

/** What of a valid configuration this version leaves undone. */
export function notYetServed(config: Config): readonly NotYetServed[] {
  const found: NotYetServed[] = [];
  const warn = (isGiven: boolean, key: string, message: string) => {
    if (isGiven) found.push({ key, message: `${LATER}: ${message}` });
  };
  warn(config.peers.length > 0, 'peers', 'nothing is pushed to them');
  warn(config.replication.length > 0, 'replication', 'nothing is replicated');
  return found;
}
