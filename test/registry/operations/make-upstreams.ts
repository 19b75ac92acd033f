import type { HostedSources } from '../../../src/registry/hosted-sources.ts';
import { UpstreamRules } from '../../../src/registry/rules.ts';
import { Upstreams, UpstreamSite } from '../../../src/registry/upstreams.ts';
import type { Upstream } from '../../../src/upstream/upstream.ts';

/** Upstreams of these names, which are not to be asked for anything. */
export function makeUpstreams(
  names: readonly string[],
  defaultName: string | undefined,
  hosted: readonly string[] = [],
  hostedSources?: HostedSources,
): Upstreams {
  const rules = new UpstreamRules({
    freshForMs: 0,
    staleWhileRevalidateMs: 0,
    staleIfErrorMs: 0,
    immutable: [],
    onUpstreamDelete: 'keep',
    allow: [],
    deny: [],
    rules: [],
  });
  return new Upstreams(
    names.map((name) => new UpstreamSite(silentUpstream(name), rules, false)),
    defaultName,
    hosted,
    hostedSources,
  );
}

function silentUpstream(name: string): Upstream {
  const refuse = async (): Promise<never> => {
    throw new Error(`${name} was asked`);
  };
  return {
    name,
    headManifest: refuse,
    getManifest: refuse,
    headBlob: refuse,
    getBlob: refuse,
    listTags: refuse,
    listReferrers: refuse,
    report: () => ({ isBreakerOpen: false, accounts: [] }),
    leaveAlone: () => undefined,
    mayAsk: () => true,
    [Symbol.asyncDispose]: async () => undefined,
  };
}
