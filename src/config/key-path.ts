/** Where a value stands: keys of maps and indexes of lists, from the top down. */
export type KeyPath = readonly (string | number)[];

const SECRET_KEYS = new Set(['password', 'identityToken', 'proxy', 'token', 'secret']);
const PLAIN_KEY = /^[A-Za-z_][A-Za-z0-9_-]*$/;

/** A path as people read it: `upstreams."docker.io".freshFor`, `replication[0].to[1]`. */
export function formatKeyPath(path: KeyPath): string {
  return path.map(formatStep).join('').replace(/^\./, '');
}

/** The path, cut at the first key that holds a secret: what stands below one may be the secret gone astray. */
export function cutAtSecret(path: KeyPath): KeyPath {
  const index = path.findIndex((step) => SECRET_KEYS.has(String(step)));
  return index === -1 ? path : path.slice(0, index + 1);
}

function formatStep(step: string | number): string {
  if (typeof step === 'number') return `[${step}]`;
  return `.${PLAIN_KEY.test(step) ? step : JSON.stringify(step)}`;
}
