import fc from 'fast-check';
import { sha256 } from '../../support/bytes.ts';
import { fuzzBody, fuzzHeaders } from './fuzz-contents.ts';
import { junkText, mostly, numberText } from './fuzz-texts.ts';
import { LAYER } from './manifests.ts';

/**
 * What someone may send. What stands in braces is known only when it is sent: `{digest 3}` of something stored, `{tag 0}`,
 * `{session 7}`, `{upload 7}` for where that session is, `{self}` for the digest of the body.
 */
export interface FuzzRequest {
  readonly door: 'mirror' | 'registry';
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | undefined;
}

/** Blobs that requests push and name again and again: the first is empty. */
export const CONTENTS: readonly Buffer[] = ['', '{}', 'one', 'two', 'three'].map((text) => Buffer.from(text));
const CONTENT_DIGESTS: readonly string[] = CONTENTS.map((bytes) => sha256(bytes));
/** Where most of it happens. */
export const REPOSITORIES = ['local/fuzz', 'local/fuzz/deeper', 'sparse/fuzz', 'local/frozen/fuzz', 'library/fuzz'];

const ODD_REPOSITORIES = [
  'docker.io/library/fuzz',
  'local/secret/fuzz',
  'local/kept/fuzz',
  'local',
  'fuzz',
  'ghcr.io/owner/app',
  'LOCAL/app',
  'local//app',
  'local/../../../../escape',
  'local/%2e%2e/%2e%2e/escape',
  'local%2Ffuzz',
  '..',
  '__proto__/constructor',
  `local/${'x'.repeat(400)}`,
  `local/${'x/'.repeat(150)}x`,
];
const ODD_DIGESTS = [
  'sha256:baddigeststring',
  `sha256:${'A'.repeat(64)}`,
  `sha256:${'a'.repeat(63)}`,
  `sha512:${'a'.repeat(64)}`,
  `md5:${'a'.repeat(32)}`,
  'sha256:',
  ':',
  'sha256:../../../../escape',
  '..%2f..%2f..%2fescape',
  `sha256:${'0'.repeat(64)}`,
];
const ODD_TAGS = ['.x', '-x', 'x'.repeat(129), '%76%31', 'v1%20', '..', '%00'];
const ODD_SESSIONS = ['0'.repeat(32), '..', '%2e%2e%2fescape', 'x', 'a'.repeat(500), '%00', '__proto__', 'x.json'];
const ELSEWHERE = ['/v2/', '/v2', '/v2/_catalog', '/token', '/', '/livez', '/metrics', '/api/v1/status'];

const anyKnown = (kind: string) => fc.nat({ max: 40 }).map((n) => `{${kind} ${n}}`);
const digest = mostly(
  fc.oneof(anyKnown('digest'), fc.constantFrom(...CONTENT_DIGESTS), fc.constant('{self}')),
  fc.oneof(fc.constantFrom(...ODD_DIGESTS), junkText),
);
const tag = mostly(
  fc.oneof(anyKnown('tag'), fc.constantFrom('v1', 'latest', 'A_b.c-1')),
  fc.oneof(fc.constantFrom(...ODD_TAGS), junkText),
);
const repository = mostly(
  fc.constantFrom(...REPOSITORIES),
  fc.oneof(
    fc.constantFrom(...ODD_REPOSITORIES),
    junkText.map((text) => `local/${text}`),
  ),
);
const session = mostly(anyKnown('session'), fc.oneof(fc.constantFrom(...ODD_SESSIONS), junkText));

const inRepository = (path: string) => repository.map((name) => `/v2/${name}/${path}`);
const named = (kind: 'manifests' | 'blobs' | 'referrers', name: fc.Arbitrary<string>) =>
  fc.tuple(inRepository(kind), name).map(([path, value]) => `${path}/${value}`);
const to = (verb: string, path: fc.Arbitrary<string>) => path.map((value) => [verb, value] as const);

const place = choose<string>(
  [8, named('manifests', fc.oneof(digest, tag))],
  [5, named('blobs', digest)],
  [5, inRepository('blobs/uploads/')],
  [3, fc.tuple(inRepository('blobs/uploads'), session).map((parts) => parts.join('/'))],
  [9, anyKnown('upload')],
  [2, inRepository('tags/list')],
  [3, named('referrers', digest)],
  [1, fc.constantFrom(...ELSEWHERE)],
  [1, junkText.map((text) => `/v2/${text}`)],
  [1, junkText.map((text) => `/${text}`)],
);

const parameter = choose<string>(
  [4, digest.map((value) => `digest=${value}`)],
  [2, digest.map((value) => `mount=${value}`)],
  [2, repository.map((value) => `from=${value}`)],
  [2, tag.map((value) => `tag=${value}`)],
  [1, numberText.map((value) => `n=${value}`)],
  [1, fc.oneof(tag, repository).map((value) => `last=${value}`)],
  [1, fc.constantFrom('sha256', 'sha512', 'md5', '', '__proto__').map((value) => `digest-algorithm=${value}`)],
  [1, fc.constantFrom(LAYER, 'x', '').map((value) => `artifactType=${value}`)],
  [1, fc.constantFrom('docker.io', 'local', 'ghcr.io', '127.0.0.1:22', '', '..').map((value) => `ns=${value}`)],
  [1, fc.constantFrom('repository:local/fuzz:push,pull', 'registry:catalog:*', 'x').map((value) => `scope=${value}`)],
  [1, junkText],
);

const method = choose<string>(
  [20, fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE')],
  [1, fc.constantFrom('OPTIONS', 'TRACE', 'PROPFIND', 'PURGE', 'M-SEARCH')],
);

/** What clients do. */
const act = choose<readonly [method: string, path: string]>(
  [2, to('POST', inRepository('blobs/uploads/'))],
  [2, to('POST', inRepository('blobs/uploads/?digest={self}'))],
  [
    1,
    to(
      'POST',
      fc.tuple(inRepository('blobs/uploads/?mount='), digest).map((parts) => parts.join('')),
    ),
  ],
  [3, to('PATCH', anyKnown('upload'))],
  [
    2,
    to(
      'PUT',
      fc.tuple(anyKnown('upload'), digest).map((parts) => parts.join('?digest=')),
    ),
  ],
  [1, to('GET', anyKnown('upload'))],
  [1, to('DELETE', anyKnown('upload'))],
  [3, to('PUT', named('manifests', tag))],
  [
    2,
    to(
      'PUT',
      fc.tuple(inRepository('manifests/{self}'), tag).map((parts) => parts.join('?tag=')),
    ),
  ],
  [2, to('GET', named('manifests', tag))],
  [2, to('GET', named('blobs', digest))],
  [1, to('GET', named('referrers', digest))],
  [1, to('DELETE', named('manifests', tag))],
  [1, to('DELETE', named('blobs', digest))],
);

/** Anything anywhere. */
const anyAct = fc.tuple(method, place, fc.array(parameter, { maxLength: 3 })).map(([verb, path, parameters]) => {
  const query = parameters.length === 0 ? '' : `${path.includes('?') ? '&' : '?'}${parameters.join('&')}`;
  return [verb, `${path}${query}`] as const;
});

/** Requests that are right in much and wrong in something, and the other way round. */
export const fuzzRequest: fc.Arbitrary<FuzzRequest> = fc
  .record({
    door: fc.constantFrom('mirror' as const, 'registry' as const),
    act: fc.oneof(act, anyAct),
    headers: fuzzHeaders(digest),
    body: fuzzBody(digest, CONTENTS),
  })
  .map(({ door, act: [verb, path], headers, body }) => ({ door, method: verb, path, headers, body }));

function choose<Value>(...choices: readonly (readonly [weight: number, arbitrary: fc.Arbitrary<Value>])[]) {
  return fc.oneof(...choices.map(([weight, arbitrary]) => ({ weight, arbitrary })));
}
