import type { LoggedRequest } from './registry.ts';

/** The kinds of requests that there were, and how they were answered: `HEAD blob 200`. */
export function waysOf(requests: readonly LoggedRequest[]): Set<string> {
  return new Set(requests.map(({ method, route, status }) => `${method} ${route} ${status}`));
}
