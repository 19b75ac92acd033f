import type { Telemetry } from '../telemetry/telemetry.ts';
import { createUpstream, type UpstreamOptions, type UpstreamOverrides } from './create-upstream.ts';
import { BREAKER, Sibling } from './sibling.ts';
import type { Upstream } from './upstream.ts';

/** A site as it is reached; `name` is what it is called here. */
export interface CreateSiblingOptions
  extends Pick<
    UpstreamOptions,
    | 'name'
    | 'url'
    | 'credentials'
    | 'maxConnections'
    | 'proxy'
    | 'ca'
    | 'allowHosts'
    | 'timeouts'
    | 'manifestLimitBytes'
    | 'userAgent'
    | 'memory'
  > {
  /** The site's own name. */
  readonly site: string;
}

/** A client waits while a sibling is asked, and the upstream may be asked instead. */
const MAX_TIMEOUTS = { connectMs: 1_500, headersMs: 2_000, stallMs: 5_000 } as const;

/** A site that is asked beside upstreams, and the client that whoever made it has to close. */
export function createSibling(
  options: CreateSiblingOptions,
  telemetry: Telemetry,
  overrides: UpstreamOverrides = {},
): { sibling: Sibling; client: Upstream } {
  const { site, timeouts, ...rest } = options;
  const { connectMs, headersMs, stallMs } = MAX_TIMEOUTS;
  const client = createUpstream(
    {
      ...rest,
      rateReserve: 0,
      retries: 1,
      breaker: BREAKER,
      timeouts: {
        connectMs: Math.min(timeouts.connectMs, connectMs),
        headersMs: Math.min(timeouts.headersMs, headersMs),
        stallMs: Math.min(timeouts.stallMs, stallMs),
      },
    },
    telemetry,
    overrides,
  );
  const { now } = overrides;
  return { sibling: new Sibling({ client, site, telemetry, ...(now && { now }) }), client };
}
