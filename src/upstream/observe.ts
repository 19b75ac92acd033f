import type { Telemetry } from '../telemetry/telemetry.ts';
import { type Exchange, headerOf, type UpstreamRequest, type UpstreamResponse } from './exchange.ts';
import { UpstreamError } from './upstream-error.ts';

/** Reports each request that goes out, redirects one by one, and the rate limit that the upstream tells. */
export function observing(next: Exchange, upstream: string, telemetry: Telemetry): Exchange {
  return async (request) => {
    const start = performance.now();
    try {
      const response = await next(request);
      report(request, response.status, start);
      reportRateLimit(response);
      return response;
    } catch (error) {
      report(request, error instanceof UpstreamError ? error.code : 'error', start);
      throw error;
    }
  };

  function report({ kind, method }: UpstreamRequest, status: number | string, start: number): void {
    telemetry.upstreamAnswered({ upstream, kind, method, status, seconds: (performance.now() - start) / 1000 });
  }

  function reportRateLimit(response: UpstreamResponse): void {
    const limit = leadingNumber(headerOf(response, 'ratelimit-limit'));
    const remaining = leadingNumber(headerOf(response, 'ratelimit-remaining'));
    if (limit !== undefined && remaining !== undefined) telemetry.rateLimitSeen({ upstream, limit, remaining });
  }
}

/** Docker Hub: `100;w=21600`, a number and the window in seconds. */
function leadingNumber(text: string | undefined): number | undefined {
  const [, digits] = /^\s*(\d{1,12})\b/.exec(text ?? '') ?? [];
  return digits === undefined ? undefined : Number(digits);
}
