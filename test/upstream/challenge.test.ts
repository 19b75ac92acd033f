import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseChallenges, scopesOf } from '../../src/upstream/challenge.ts';

describe('a WWW-Authenticate header', () => {
  it.each<[string, string | string[] | undefined, [string, Record<string, string>][]]>([
    ['is missing', undefined, []],
    ['is empty', '', []],
    [
      'is as Docker Hub sends it',
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/nginx:pull"',
      [
        [
          'bearer',
          {
            realm: 'https://auth.docker.io/token',
            service: 'registry.docker.io',
            scope: 'repository:library/nginx:pull',
          },
        ],
      ],
    ],
    [
      'has no service, as at nvcr.io',
      'Bearer realm="https://nvcr.io/proxy_auth",scope="repository:nvidia/cuda:pull"',
      [['bearer', { realm: 'https://nvcr.io/proxy_auth', scope: 'repository:nvidia/cuda:pull' }]],
    ],
    [
      'has unquoted values',
      'Bearer realm=https://quay.io/v2/auth,service=quay.io',
      [['bearer', { realm: 'https://quay.io/v2/auth', service: 'quay.io' }]],
    ],
    [
      'has spaces around = and after commas',
      'bearer  realm = "https://a/t" ,  service="s"',
      [['bearer', { realm: 'https://a/t', service: 's' }]],
    ],
    [
      'offers two schemes in one header',
      'Basic realm="a, b", Bearer realm="https://a/t",service="s"',
      [
        ['basic', { realm: 'a, b' }],
        ['bearer', { realm: 'https://a/t', service: 's' }],
      ],
    ],
    [
      'comes twice',
      ['Negotiate', 'Basic realm="x"'],
      [
        ['negotiate', {}],
        ['basic', { realm: 'x' }],
      ],
    ],
    ['has escapes', 'Basic realm="say \\"hi\\" \\\\"', [['basic', { realm: 'say "hi" \\' }]]],
    ['has an open quote', 'Basic realm="never ends', [['basic', { realm: 'never ends' }]]],
    ['has an empty value', 'Bearer realm="https://a/t",service=', [['bearer', { realm: 'https://a/t', service: '' }]]],
    ['repeats a parameter', 'Basic realm="one",REALM="two"', [['basic', { realm: 'one' }]]],
    ['has a parameter without a scheme', 'realm="x"', []],
    ['has odd commas', ',, Basic ,realm="x",,', [['basic', { realm: 'x' }]]],
  ])('%s', (_, header, expected) => {
    const found = parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);
    expect(found).toEqual(expected);
  });

  it('may hold several scopes in one string', () => {
    const [challenge] = parseChallenges('Bearer realm="r",scope="repository:a/b:pull  repository:c:pull,push"');
    expect(challenge && scopesOf(challenge)).toEqual(['repository:a/b:pull', 'repository:c:pull,push']);
  });

  it('is read back from what it was made of', () => {
    const token = fc.stringMatching(/^[a-z][a-z0-9-]{0,10}$/);
    const made = fc.array(
      fc.record({
        scheme: token,
        parameters: fc.uniqueArray(fc.tuple(token, fc.string()), {
          selector: ([name]) => name,
          minLength: 1,
          maxLength: 5,
        }),
      }),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(made, fc.boolean(), (challenges, isOneHeader) => {
        const headers = challenges.map(
          ({ scheme, parameters }) =>
            `${scheme} ${parameters.map(([name, value]) => `${name}=${quoted(value)}`).join(', ')}`,
        );
        const found = parseChallenges(isOneHeader ? headers.join(', ') : headers);
        expect(found.map(({ scheme, parameters }) => ({ scheme, parameters: [...parameters] }))).toEqual(challenges);
      }),
    );
  });

  it('of any kind never throws and never takes long', () => {
    const junk = fc.array(fc.constantFrom('"', '\\', '=', ',', ' ', 'a', 'Bearer ', 'realm', '\t', '\u00e9'), {
      maxLength: 200,
    });
    fc.assert(fc.property(junk, (parts) => void parseChallenges(parts.join(''))));
    const start = performance.now();
    for (const piece of ['"', '\\', 'a="\\', 'a ', 'a=', '="', ' ', 'a="b" ']) parseChallenges(piece.repeat(200_000));
    expect(performance.now() - start).toBeLessThan(5000);
  });

  it('can not grow without bounds', () => {
    expect(parseChallenges('a '.repeat(10_000)).length).toBeLessThanOrEqual(16);
  });
});

function quoted(value: string): string {
  return `"${value.replace(/["\\]/g, '\\$&')}"`;
}
