import type { Telemetry } from '../telemetry/telemetry.ts';
import type { Exchange, UpstreamRequest } from './exchange.ts';
import { UpstreamError } from './upstream-error.ts';

/** Reports each request that goes out, redirects one by one. */
export function observing(next: Exchange, upstream: string, telemetry: Telemetry): Exchange {
  return async (request) => {
    const start = performance.now();
    try {
      const response = await next(request);
      report(request, response.status, start);
      return response;
    } catch (error) {
      report(request, error instanceof UpstreamError ? error.code : 'error', start);
      throw error;
    }
  };

  function report({ kind, method }: UpstreamRequest, status: number | string, start: number): void {
    telemetry.upstreamAnswered({ upstream, kind, method, status, seconds: (performance.now() - start) / 1000 });
  }
}
