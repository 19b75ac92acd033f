/** What kind of thing an upstream or a peer was asked for. */
export type UpstreamRequestKind = 'ping' | 'manifest' | 'blob' | 'upload' | 'tags' | 'referrers' | 'token';
