import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type DistributionRequest,
  isDistributionUrl,
  parseDistributionPath,
} from '../../src/http/distribution-path.ts';

const SHA256 = `sha256:${'a1'.repeat(32)}`;
const SHA512 = `sha512:${'b2'.repeat(64)}`;

function at(path: string, namespace?: string) {
  return { path, namespace };
}

describe('parseDistributionPath understands', () => {
  const everything = { limit: undefined, after: undefined };
  const app = at('library/app');
  test.each<[string, object]>([
    ['/v2', { kind: 'ping' }],
    ['/v2/', { kind: 'ping' }],
    ['/v2/?x=y', { kind: 'ping' }],
    ['/ghcr.io/v2/', { kind: 'ping' }],
    ['/v2/_catalog', { kind: 'catalog', page: everything, namespace: undefined }],
    ['/v2/_catalog?n=5&last=a%2Fb', { kind: 'catalog', page: { limit: 5, after: 'a/b' }, namespace: undefined }],
    ['/v2/_catalog?ns=ghcr.io', { kind: 'catalog', page: everything, namespace: 'ghcr.io' }],
    ['/v2/library/app/manifests/v1', manifestOf('library/app', 'v1')],
    ['/v2/app/manifests/v1', manifestOf('app', 'v1')],
    [
      `/v2/library/app/manifests/${SHA256}`,
      { kind: 'manifest', address: app, reference: { kind: 'digest', digest: SHA256 }, tags: [] },
    ],
    [
      `/v2/library/app/manifests/${SHA256.replace(':', '%3A')}?tag=v1&tag=v2&tag=v1`,
      { kind: 'manifest', address: app, reference: { kind: 'digest', digest: SHA256 }, tags: ['v1', 'v2'] },
    ],
    ['/v2/library%2Fapp/manifests/v1', manifestOf('library/app', 'v1')],
    [`/v2/library/app/blobs/${SHA256}`, { kind: 'blob', address: app, digest: SHA256 }],
    [`/v2/library/app/blobs/${SHA512}`, { kind: 'blob', address: app, digest: SHA512 }],
    [`/v2/app/blobs/${SHA256}?ns=docker.io`, { kind: 'blob', address: at('app', 'docker.io'), digest: SHA256 }],
    [`/v2/app/blobs/${SHA256}?ns=`, { kind: 'blob', address: at('app'), digest: SHA256 }],
    [`/ghcr.io/v2/app/blobs/${SHA256}`, { kind: 'blob', address: at('app', 'ghcr.io'), digest: SHA256 }],
    [`/ghcr.io/v2/app/blobs/${SHA256}?ns=quay.io`, { kind: 'blob', address: at('app', 'quay.io'), digest: SHA256 }],
    [
      `/v2/app/blobs/${SHA256}?ns=localhost%3A5000`,
      { kind: 'blob', address: at('app', 'localhost:5000'), digest: SHA256 },
    ],
    ['/v2/library/app/tags/list', { kind: 'tags', address: app, page: everything }],
    ['/v2/library/app/tags/list?n=0', { kind: 'tags', address: app, page: { limit: 0, after: undefined } }],
    ['/v2/library/app/tags/list?n=99999999', { kind: 'tags', address: app, page: { limit: 10_000, after: undefined } }],
    [
      '/v2/library/app/tags/list?n=18446744073709551615',
      { kind: 'tags', address: app, page: { limit: 10_000, after: undefined } },
    ],
    ['/v2/library/app/tags/list?n=10&last=v1', { kind: 'tags', address: app, page: { limit: 10, after: 'v1' } }],
    ['/v2/library/app/tags/list?last=', { kind: 'tags', address: app, page: { limit: undefined, after: '' } }],
    [
      `/v2/library/app/referrers/${SHA256}`,
      { kind: 'referrers', address: app, digest: SHA256, artifactType: undefined, page: everything },
    ],
    [
      `/v2/library/app/referrers/${SHA256}?artifactType=application%2Fspdx%2Bjson&n=2&last=x`,
      {
        kind: 'referrers',
        address: app,
        digest: SHA256,
        artifactType: 'application/spdx+json',
        page: { limit: 2, after: 'x' },
      },
    ],
    ['/v2/library/app/blobs/uploads', uploadOf({})],
    ['/v2/library/app/blobs/uploads/', uploadOf({})],
    [`/v2/library/app/blobs/uploads/?digest=${SHA256}`, uploadOf({ digest: SHA256 })],
    ['/v2/library/app/blobs/uploads/?digest-algorithm=sha512', uploadOf({ algorithm: 'sha512' })],
    [
      `/v2/library/app/blobs/uploads/?mount=${SHA256}&from=local%2Fother`,
      uploadOf({ mount: { digest: SHA256, from: 'local/other' } }),
    ],
    [`/v2/library/app/blobs/uploads/?mount=${SHA256}&from=`, uploadOf({ mount: { digest: SHA256, from: undefined } })],
    ['/v2/library/app/blobs/uploads/0123-4567', uploadOf({ id: '0123-4567' })],
    [`/v2/library/app/blobs/uploads/0123?digest=${SHA512}`, uploadOf({ id: '0123', digest: SHA512 })],
    ['/v2/library/app/blobs/uploads/0123/4567', uploadOf({ id: '0123/4567' })],
    ['/v2/a/blobs/uploads/tags/list', { kind: 'tags', address: at('a/blobs/uploads'), page: everything }],
    ['/v2/manifests/manifests/manifests', manifestOf('manifests', 'manifests')],
    ['/v2/a/manifests/b/manifests/v1', manifestOf('a/manifests/b', 'v1')],
    ['/v2/v2/manifests/v1', manifestOf('v2', 'v1')],
    ['/v2/blobs/tags/list', { kind: 'tags', address: at('blobs'), page: everything }],
    // What is no repository name is found out where the repository is looked up.
    ['/v2/Not A Name/manifests/v1', manifestOf('Not A Name', 'v1')],
  ])('%s', (url, expected) => {
    expect(parseDistributionPath(url)).toEqual(expected);
  });

  function manifestOf(path: string, tag: string) {
    return { kind: 'manifest', address: at(path), reference: { kind: 'tag', tag }, tags: [] };
  }

  function uploadOf(given: object) {
    const nothing = { id: undefined, digest: undefined, algorithm: undefined, mount: undefined };
    return { kind: 'upload', address: app, ...nothing, ...given };
  }
});

describe('parseDistributionPath refuses', () => {
  const tooManyTags = Array.from({ length: 101 }, (_, index) => `tag=v${index}`).join('&');
  test.each<[string, 400 | 404 | 414, string]>([
    ['', 404, 'UNSUPPORTED'],
    ['/', 404, 'UNSUPPORTED'],
    ['/v1/', 404, 'UNSUPPORTED'],
    ['/v2x', 404, 'UNSUPPORTED'],
    ['*', 404, 'UNSUPPORTED'],
    ['/a/b/v2/', 404, 'UNSUPPORTED'],
    ['/v2/app', 404, 'UNSUPPORTED'],
    ['/v2/app/', 404, 'UNSUPPORTED'],
    ['/v2/app/manifests', 404, 'UNSUPPORTED'],
    ['/v2/app/manifests/', 404, 'UNSUPPORTED'],
    ['/v2/manifests/v1', 404, 'UNSUPPORTED'],
    ['/v2//manifests/v1', 404, 'UNSUPPORTED'],
    ['/v2/app/tags', 404, 'UNSUPPORTED'],
    ['/v2/app/tags/all', 404, 'UNSUPPORTED'],
    ['/v2/_catalog/x', 404, 'UNSUPPORTED'],
    ['/v2/app/manifests/v1%0A', 404, 'UNSUPPORTED'],
    ['/v2/app/manifests/.v1', 400, 'MANIFEST_INVALID'],
    ['/v2/app/manifests/a/b', 400, 'MANIFEST_INVALID'],
    ['/v2/app/manifests/../../x', 400, 'MANIFEST_INVALID'],
    [`/v2/app/manifests/${'x'.repeat(129)}`, 400, 'MANIFEST_INVALID'],
    ['/v2/app/manifests/sha256:abc', 400, 'DIGEST_INVALID'],
    ['/v2/app/manifests/tag:x', 400, 'DIGEST_INVALID'],
    ['/v2/app/blobs/latest', 400, 'DIGEST_INVALID'],
    [`/v2/app/blobs/md5:${'a'.repeat(32)}`, 400, 'DIGEST_INVALID'],
    [`/v2/app/blobs/${SHA256.toUpperCase()}`, 400, 'DIGEST_INVALID'],
    [`/v2/app/blobs/${SHA256}/`, 400, 'DIGEST_INVALID'],
    ['/v2/app/referrers/x', 400, 'DIGEST_INVALID'],
    ['/v2/app/manifests/%', 400, 'NAME_INVALID'],
    ['/v2/app/manifests/%zz', 400, 'NAME_INVALID'],
    ['/v2/%ff/manifests/v1', 400, 'NAME_INVALID'],
    ['/v2/app/tags/list?n=-1', 400, 'UNSUPPORTED'],
    ['/v2/app/tags/list?n=', 400, 'UNSUPPORTED'],
    ['/v2/app/tags/list?n=1e3', 400, 'UNSUPPORTED'],
    ['/v2/_catalog?n=x', 400, 'UNSUPPORTED'],
    [`/v2/app/manifests/${SHA256}?${tooManyTags}`, 414, 'UNSUPPORTED'],
    [`/v2/app/manifests/${SHA256}?tag=.x`, 400, 'MANIFEST_INVALID'],
    [`/v2/app/manifests/${SHA256}?tag=`, 400, 'MANIFEST_INVALID'],
    ['/v2/app/blobs/uploads/?digest=x', 400, 'DIGEST_INVALID'],
    ['/v2/app/blobs/uploads/?digest=', 400, 'DIGEST_INVALID'],
    ['/v2/app/blobs/uploads/?mount=sha256:x', 400, 'DIGEST_INVALID'],
    ['/v2/app/blobs/uploads/?digest-algorithm=md5', 400, 'DIGEST_INVALID'],
    ['/v2/app/blobs/uploads/0123?digest=md5:00', 400, 'DIGEST_INVALID'],
  ])('%s with %i %s', (url, status, code) => {
    expect(parseDistributionPath(url)).toMatchObject({ kind: 'problem', status, code });
  });
});

describe('parseDistributionPath, whatever it is given,', () => {
  const words = fc.constantFrom('v2/manifests/blobs/uploads/tags/list/referrers/_catalog/app'.split('/'), [
    SHA256,
    '..',
    '%2F',
    '%',
    '',
    '?',
    '&n=',
    'ns=',
    '%00',
    '\n',
    ' ',
    '#',
  ]);
  const word = words.chain((some) => fc.constantFrom(...some));
  const nearUrls = fc.array(word, { maxLength: 12 }).map((parts) => `/v2/${parts.join('/')}`);
  const urls = fc.oneof(nearUrls, fc.string({ unit: 'binary', maxLength: 60 }), fc.webPath());
  const kinds: ReadonlySet<DistributionRequest['kind']> = new Set([
    'ping',
    'catalog',
    'manifest',
    'blob',
    'tags',
    'referrers',
    'upload',
    'problem',
  ] as const);

  test('never throws, and gives digests and references that are valid', () => {
    fc.assert(
      fc.property(urls, (url) => {
        const request = parseDistributionPath(url);
        expect(kinds.has(request.kind)).toBe(true);
        if ('digest' in request && request.digest !== undefined)
          expect(request.digest).toMatch(/^sha(?:256:[0-9a-f]{64}|512:[0-9a-f]{128})$/);
        if ('address' in request) expect(request.address.path).not.toBe('');
        if (request.kind !== 'problem')
          expect(isDistributionUrl(decodeURIComponent(url.split('?')[0] ?? ''))).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  test.each(['/tags/a', '/blobs/uploads/', '/manifests', '/', '/v2', '%2F', 'a'])(
    'is quick about 32 KiB of %j with a line break at the end',
    (piece) => {
      const startedAt = performance.now();
      for (const end of ['', '%0A', '/manifests/', ':']) {
        parseDistributionPath(`/v2/${piece.repeat(32_768 / piece.length)}${end}`);
      }
      expect(performance.now() - startedAt).toBeLessThan(3000);
    },
  );
});

describe('isDistributionUrl', () => {
  test.each(['/v2', '/v2/', '/v2?x', '/v2/a/b', '/ghcr.io/v2/', '/ghcr.io/v2', '/v2/v2/'])('takes %s', (url) => {
    expect(isDistributionUrl(url)).toBe(true);
  });

  test.each(['', '/', '/v2x', '/V2/', '/livez', '/a/b/v2/', '/?/v2/', '/x?y=/v2/', 'v2/', '//v2/'])(
    'leaves %j',
    (url) => {
      expect(isDistributionUrl(url)).toBe(false);
    },
  );
});
