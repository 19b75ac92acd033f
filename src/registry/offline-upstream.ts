import { UpstreamError } from '../upstream/upstream-error.ts';
import type { Upstream } from '../upstream/upstream.ts';

/** Stands in for an upstream that must not be asked for anything. */
export function offlineUpstream(upstream: Upstream): Upstream {
  const refuse = async (): Promise<never> => {
    throw new UpstreamError('UNAVAILABLE', upstream.name, 'is switched to offline here: only what is cached is served');
  };
  return {
    name: upstream.name,
    headManifest: refuse,
    getManifest: refuse,
    headBlob: refuse,
    getBlob: refuse,
    listTags: refuse,
    listReferrers: refuse,
    report: () => upstream.report(),
    leaveAlone: (accounts) => upstream.leaveAlone(accounts),
    mayAsk: () => false,
    [Symbol.asyncDispose]: () => upstream[Symbol.asyncDispose](),
  };
}
