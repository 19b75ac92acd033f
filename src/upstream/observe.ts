import type { UpstreamRequestKind } from '../telemetry/upstream-request-kind.ts';
import type { Exchange, UpstreamRequest } from './exchange.ts';
import { UpstreamError } from './upstream-error.ts';

/** A request that went out, and what came of it. */
export interface ObservedRequest {
  readonly kind: UpstreamRequestKind;
  readonly method: string;
  /** HTTP status, or an error code. */
  readonly status: number | string;
  /** Until the headers came. */
  readonly seconds: number;
}

/** Reports each request that goes out, redirects one by one. */
export function observing(next: Exchange, report: (observed: ObservedRequest) => void): Exchange {
  return async (request) => {
    const start = performance.now();
    try {
      const response = await next(request);
      tell(request, response.status, start);
      return response;
    } catch (error) {
      tell(request, error instanceof UpstreamError ? error.code : 'error', start);
      throw error;
    }
  };

  function tell({ kind, method }: UpstreamRequest, status: number | string, start: number): void {
    report({ kind, method, status, seconds: (performance.now() - start) / 1000 });
  }
}
