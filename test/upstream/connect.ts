import { type Digest, parseDigest } from '../../src/oci/digest.ts';
import { parseReference, type Reference } from '../../src/oci/reference.ts';
import { silentLogger } from '../../src/telemetry/logger.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { Telemetry } from '../../src/telemetry/telemetry.ts';
import { createUpstream, type UpstreamOptions, type UpstreamOverrides } from '../../src/upstream/create-upstream.ts';
import type { Upstream } from '../../src/upstream/upstream.ts';

/** An upstream at `url` with small timeouts, silent, with metrics of its own unless others are given. */
export function connect(
  url: string,
  options: Partial<UpstreamOptions> = {},
  { telemetry = quietTelemetry(), ...overrides }: UpstreamOverrides & { telemetry?: Telemetry } = {},
): Upstream {
  return createUpstream(
    {
      name: 'origin.test',
      url: new URL(url),
      credentials: [],
      rateReserve: 0.1,
      maxConnections: 8,
      allowHosts: [],
      timeouts: { connectMs: 500, headersMs: 300, stallMs: 300 },
      retries: 2,
      manifestLimitBytes: 4 * 1024 * 1024,
      userAgent: 'entrepot-test/1.0',
      ...options,
    },
    telemetry,
    overrides,
  );
}

export function quietTelemetry(): Telemetry {
  return new Telemetry(silentLogger(), new Metrics('test'));
}

/** All bytes of a body. */
export async function readAll(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(body));
}

/** A tag or digest as the port wants it. */
export function ref(text: string): Reference {
  const reference = parseReference(text);
  if (!reference) throw new Error(`${text} is no reference`);
  return reference;
}

/** A digest as the port wants it. */
export function digest(text: string | undefined): Digest {
  const parsed = parseDigest(text ?? '');
  if (!parsed) throw new Error(`${text} is no digest`);
  return parsed;
}
