import { readReason } from './error-reason.ts';
import type { UpstreamResponse } from './exchange.ts';
import type { RegistryApi } from './registry-api.ts';
import { UpstreamError, type UpstreamErrorCode } from './upstream-error.ts';

/** RFC 4918 11.5 */
const INSUFFICIENT_STORAGE = 507;

/** The error for an answer to a writing request that is not the wanted one, with what the registry says of it. */
export async function refusalOfWrite(
  response: UpstreamResponse,
  { base, upstream }: Pick<RegistryApi, 'base' | 'upstream'>,
): Promise<UpstreamError> {
  const { status, url } = response;
  const { code: reason, text } = await readReason(response);
  const message = `${url.host} answered ${status}${text === '' ? '' : `: ${text}`}`;
  return new UpstreamError(codeOf(status, url.origin === base.origin), upstream, message, { status, reason });
}

function codeOf(status: number, isRegistry: boolean): UpstreamErrorCode {
  if ((status === 401 || status === 403) && isRegistry) return 'DENIED';
  if ((status >= 400 && status < 500) || status === INSUFFICIENT_STORAGE) return 'REFUSED';
  return status === 501 ? 'UNAVAILABLE' : 'INVALID';
}
