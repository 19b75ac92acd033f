/** Where a value stands: keys of maps and indexes of lists, from the top down. */
export type KeyPath = readonly (string | number)[];

const PLAIN_KEY = /^[A-Za-z_][A-Za-z0-9_-]*$/;

/** A path as people read it: `upstreams."docker.io".freshFor`, `replication[0].to[1]`. */
export function formatKeyPath(path: KeyPath): string {
  return path.map(formatStep).join('').replace(/^\./, '');
}

function formatStep(step: string | number): string {
  if (typeof step === 'number') return `[${step}]`;
  return `.${PLAIN_KEY.test(step) ? step : JSON.stringify(step)}`;
}
