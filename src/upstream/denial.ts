import { type ErrorReason, parseReason } from './error-reason.ts';
import type { UpstreamRequest, UpstreamResponse } from './exchange.ts';
import { readStart } from './read-body.ts';
import { UpstreamError } from './upstream-error.ts';

/** What a registry said of a login, or of a right that comes with it. */
export interface Verdict {
  readonly status: number;
  /** ECR: 403 with "Your Authorization Token has expired. Please run ..." as text. */
  readonly hasExpired: boolean;
  readonly reason: ErrorReason | undefined;
}

const ERROR_PAGE_BYTES = 8 * 1024;

/** Reads the body of a refusal as far as it matters. */
export async function readVerdict({ access }: UpstreamRequest, response: UpstreamResponse): Promise<Verdict> {
  const { status } = response;
  if (status !== 403 && access === undefined) return { status, hasExpired: false, reason: undefined };
  const text = await readStart(response, ERROR_PAGE_BYTES);
  const reason = access === undefined ? undefined : parseReason(text);
  return { status, hasExpired: status === 403 && /\bexpired\b/i.test(text), reason };
}

/** The error for a refusal that nothing could be done about. @param isWrong the configured credentials are wrong */
export function denialOf(
  upstream: string,
  request: UpstreamRequest,
  { isWrong, verdict }: { readonly isWrong: boolean; readonly verdict: Verdict },
): UpstreamError {
  const { status, reason } = verdict;
  const code = isWrong ? 'CREDENTIALS_REFUSED' : 'DENIED';
  const message = isWrong ? 'refuses the configured credentials' : `does not let us ${actOf(request)}`;
  const told = reason === undefined || reason.text === '' ? '' : `: ${reason.text}`;
  return new UpstreamError(code, upstream, message + told, { status, reason: reason?.code });
}

function actOf({ access, method, repository }: UpstreamRequest): string {
  if (access === 'login') return 'in';
  if (method === 'GET' || method === 'HEAD') return `read ${repository}`;
  return access === 'delete' ? `delete from ${repository}` : `push to ${repository}`;
}
