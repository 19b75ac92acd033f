import { mediaTypeOf } from '../oci/media-types.ts';
import { type Exchange, headerOf, type UpstreamRequest, type UpstreamResponse } from './exchange.ts';
import { UpstreamError, type UpstreamErrorCode } from './upstream-error.ts';

/** One registry, with everything that stands between a request and the network. */
export interface RegistryApi {
  readonly upstream: string;
  /** Ends with a slash; the API is at `v2/` below it. */
  readonly base: URL;
  readonly send: Exchange;
}

/** A request of the distribution-spec's API in one repository. */
export type RepositoryRequest = Pick<
  UpstreamRequest,
  'kind' | 'method' | 'headers' | 'body' | 'access' | 'purpose' | 'signal' | 'bodyLimitBytes'
> & {
  readonly repository: string;
  /** Below the repository, such as `tags/list`; may have a query. */
  readonly resource: string;
};

/** Sends a request of one repository. */
export function askRepository(
  api: RegistryApi,
  { resource, ...request }: RepositoryRequest,
): Promise<UpstreamResponse> {
  return api.send({ ...request, url: new URL(`v2/${request.repository}/${resource}`, api.base) });
}

/** @throws UpstreamError `INVALID` for a sign-in page, and for a coding that was not asked for */
export function checkContent(response: UpstreamResponse, upstream: string): void {
  const problem = problemOf(response);
  if (problem === undefined) return;
  response.drop();
  throw new UpstreamError('INVALID', upstream, `${response.url.host} sent ${problem}`, { status: response.status });
}

/** The error for a status that is not the wanted one; lets go of the body. */
export function refusal(response: UpstreamResponse, { base, upstream }: RegistryApi): UpstreamError {
  const { status, url } = response;
  response.discard();
  const code = codeOf(status, url.origin === base.origin);
  return new UpstreamError(code, upstream, `${url.host} answered ${status}`, { status });
}

function problemOf(response: UpstreamResponse): string | undefined {
  const coding = headerOf(response, 'content-encoding')?.trim().toLowerCase() ?? '';
  if (coding !== '' && coding !== 'identity') return `content coded as ${JSON.stringify(coding.slice(0, 40))}`;
  return mediaTypeOf(headerOf(response, 'content-type')) === 'text/html' ? 'a web page' : undefined;
}

function codeOf(status: number, isRegistry: boolean): UpstreamErrorCode {
  if (status === 404 || status === 410) return 'NOT_FOUND';
  // A storage that refuses what the registry signed says nothing of our rights: that redirect can't be true.
  if ((status === 401 || status === 403) && isRegistry) return 'DENIED';
  return status === 501 ? 'UNAVAILABLE' : 'INVALID';
}
