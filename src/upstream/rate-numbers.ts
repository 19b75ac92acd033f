import { headerOf, type UpstreamResponse } from './exchange.ts';

/** What an upstream tells of its pull rate limit. */
export interface RateNumbers {
  /** Above 0. */
  readonly limit: number;
  readonly remaining: number;
  /** In which time so many pulls are allowed; undefined where it is not told. */
  readonly windowMs: number | undefined;
}

/**
 * Reads `ratelimit-limit: 100;w=21600` and `ratelimit-remaining: 76;w=21600` (docs.docker.com, "Pull usage and limits");
 * the window, in seconds, may be missing. undefined where either number is missing or makes no sense.
 */
export function rateNumbersOf(response: Pick<UpstreamResponse, 'headers'>): RateNumbers | undefined {
  const limit = parse(headerOf(response, 'ratelimit-limit'));
  const remaining = parse(headerOf(response, 'ratelimit-remaining'));
  if (!limit || !remaining || limit.count === 0) return undefined;
  const windowMs = remaining.windowMs ?? limit.windowMs;
  return { limit: limit.count, remaining: Math.min(remaining.count, limit.count), windowMs };
}

function parse(text: string | undefined): { count: number; windowMs: number | undefined } | undefined {
  const [, digits] = /^\s*(\d{1,12})\b/.exec(text ?? '') ?? [];
  if (digits === undefined) return undefined;
  const [, window] = /;\s*w\s*=\s*"?(\d{1,9})\b/i.exec(text ?? '') ?? [];
  const seconds = Number(window ?? 0);
  return { count: Number(digits), windowMs: seconds > 0 ? seconds * 1000 : undefined };
}
