import type { Config } from './config.ts';

/** Something that is configured and that this version does not do. */
export interface NotYetServed {
  /** `error`: to start without it would be dangerous. */
  readonly severity: 'warning' | 'error';
  readonly key: string;
  readonly message: string;
}

const LATER = 'this version does not serve it yet';

/** What of a valid configuration this version leaves undone. */
export function notYetServed(config: Config): readonly NotYetServed[] {
  const found: NotYetServed[] = [];
  const warn = (isGiven: boolean, key: string, message: string) => {
    if (isGiven) found.push({ severity: 'warning', key, message: `${LATER}: ${message}` });
  };
  warn(config.registry !== undefined, 'registry', 'nothing listens there');
  warn(config.hosted.length > 0, 'hosted', 'nothing can be pushed');
  warn(config.peers.length > 0, 'peers', 'nothing is pushed to them');
  warn(config.replication.length > 0, 'replication', 'nothing is replicated');
  if (config.access !== undefined) {
    const message = `${LATER}, and without it everyone who reaches the mirror may pull; remove it to accept that`;
    found.push({ severity: 'error', key: 'access', message });
  }
  return found;
}
