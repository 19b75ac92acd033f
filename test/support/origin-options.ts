/** How the origin demands a token, and how its token server behaves. */
export interface BearerAuthOptions {
  type: 'bearer';
  /** The realm to name in the challenge, default the built-in token server's. */
  realm?: string;
  /** The service to name in the challenge, default `origin`; `null` leaves it out. */
  service?: string | null;
  /** Password by username. */
  credentials?: Record<string, string>;
  /** Who may pull without credentials; default everyone if there are no `credentials`, otherwise no one. */
  anonymous?: boolean | ((repository: string) => boolean);
  /** What a user may pull, default everything. */
  allowed?: (username: string, repository: string) => boolean;
  /** What is answered to who may not pull: a token without the access (default), or this status. */
  denied?: 'empty' | 401 | 403;
  /** Life of a token in seconds, default 300. */
  expiresIn?: number;
  /** Whether the answer says `expires_in`, default true. */
  tellExpiresIn?: boolean;
  /** Where the answer of a GET has the token, default `token`. */
  tokenField?: 'token' | 'access_token';
  /** Which requests the token server knows, default `get`; the other one is 404. */
  method?: 'get' | 'post' | 'both';
  /** Whether the token server shares the registry's port (default) or has its own. */
  server?: 'same' | 'other';
  /** The answer to an expired or revoked token, default 401 with a challenge. */
  invalidToken?: { status: number; headers?: Record<string, string>; body?: string };
  /** Whether a 401 outside of `/v2/` has a challenge, default true (the gcr.io family leaves it out). */
  challengeEverywhere?: boolean;
}

/** The origin demands username and password on each request. */
export interface BasicAuthOptions {
  type: 'basic';
  credentials: Record<string, string>;
  /** Default `origin`. */
  realm?: string;
}

/** Blob GETs are answered with a redirect to a storage server. */
export interface RedirectOptions {
  /** The registry's own port, or a second server that refuses an Authorization header. */
  to: 'self' | 'other';
  /** A Location without scheme and host (only with `to: 'self'`). */
  relative?: boolean;
  /** A signature for GET only that is refused with 403 after its life. */
  signed?: { lifetimeMs: number };
  /** Default 307. */
  status?: 301 | 302 | 303 | 307 | 308;
  /** Whether HEAD is redirected too, default false. */
  head?: boolean;
}

/** What the origin is like; faults are scripted later with `origin.fault`. */
export interface OriginOptions {
  auth?: BearerAuthOptions | BasicAuthOptions;
  redirectBlobs?: RedirectOptions;
  /** Whether a Range is honoured (default) or ignored and answered with 200. */
  ranges?: boolean;
  /** Whether Docker-Content-Digest is sent, default true. */
  digestHeader?: boolean;
  /** Whether ETag is sent and If-None-Match answered with 304, default true. */
  etag?: boolean;
  /** Whether HEAD of a manifest works (default) or is 405. */
  headManifests?: boolean;
  /** Whether HEAD of a blob works (default) or is 405. */
  headBlobs?: boolean;
  /** Whether a manifest whose type is not in Accept is 404, as distribution does; default true. */
  requireAccept?: boolean;
  /** Headers of each manifest answer, asked again each time: rate limits, say. */
  manifestHeaders?: () => Record<string, string>;
  /** The largest page of tags/list, and the form of its Link (default relative). */
  tags?: { pageLimit?: number; link?: 'relative' | 'absolute' };
  /** Whether there is a referrers API, default false: 404. */
  referrers?: boolean;
  /** Unexpected paths are only recorded. */
  allowUnexpected?: boolean;
}
