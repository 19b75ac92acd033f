import type { Repository } from '../oci/repository.ts';
import type { Answer } from './answer.ts';
import type { PathAddress } from './distribution-path.ts';
import type { Visitor } from './door.ts';

/** The repository that a request names, who asks, and how the answer names it. */
export interface Target {
  readonly repository: Repository;
  readonly address: PathAddress;
  readonly visitor: Visitor;
  /** That stand in every answer: the namespace, if one was given (distribution-spec, "Registry Proxying"). */
  readonly headers: Answer['headers'];
}

/**
 * A path of the same repository, named as it was named to us. It is relative to this host: absolute ones break behind
 * proxies, and clients refuse other hosts.
 */
export function pathWithin(
  { path, namespace }: PathAddress,
  rest: string,
  parameters: Readonly<Record<string, string>> = {},
): string {
  const query = new URLSearchParams({ ...(namespace === undefined ? {} : { ns: namespace }), ...parameters });
  return `/v2/${path}/${rest}${query.size === 0 ? '' : `?${query.toString()}`}`;
}
