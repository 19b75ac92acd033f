import type { IncomingHttpHeaders } from 'node:http';
import type { PushAuth } from './push-tokens.ts';

/** What the registry is like. */
export interface PushRegistryOptions {
  readonly auth?: PushAuth;
  /** How it writes the Location of an upload; `other`: at a second server; default absolute. */
  readonly location?: 'absolute' | 'relative' | 'other';
  /** Has the Location a `_state` that has to come back as it was? It changes with each byte, as Docker's does. */
  readonly hasState?: boolean;
  /** Does it tell that it has a referrers API? */
  readonly tellsSubject?: boolean;
  /** What it answers to a mount, default as the specification wants it. */
  readonly mount?: number;
  /** Does it take no Content-Range with a PUT? */
  readonly refusesRestByPut?: boolean;
  /** Writes the Range of an upload, default `0-<last>`. */
  readonly range?: (sizeBytes: number) => string;
  /** Sent with each answer about an upload. */
  readonly uploadHeaders?: Readonly<Record<string, string>>;
}

/** A request as it came. */
export interface PushedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly server: 'registry' | 'other';
  /** Of its body, as far as they were read. */
  bodyBytes: number;
  /** 0: there was no answer. */
  status: number;
}
