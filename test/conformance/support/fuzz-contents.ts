import fc from 'fast-check';
import { sha256 } from '../../support/bytes.ts';
import { USERS } from '../../support/hosted.ts';
import { headerText, mostly, numberText } from './fuzz-texts.ts';
import { CONFIG, INDEX, LAYER, MANIFEST } from './manifests.ts';
import type { Descriptor } from './push.ts';
import { basic } from './send.ts';

const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const FORM = 'application/x-www-form-urlencoded';
const BAD_CREDENTIALS = [basic('ci', 'wrong'), 'Bearer a.b.c', 'Basic', 'Basic ====', 'Bearer ', 'Negotiate x'];
const ODD_JSON = ['{"a":'.repeat(5000), '['.repeat(20_000), '\ufeff{}', '{"__proto__":{"x":1}}', 'null', '""'];
const FORMS = ['grant_type=password&username=ci&password=secret&service=x', 'grant_type=%', '&&&='];

const ODD_HEADERS: readonly (readonly [string, string])[] = [
  ['Connection', 'close'],
  ['Connection', 'upgrade'],
  ['Host', 'localhost'],
  ['Host', 'example.com:99999'],
  ['Host', 'a b'],
  ['Host', 'x'.repeat(300)],
  ['Expect', '100-continue'],
  ['Expect', 'wonders'],
  ['Docker-Content-Digest', 'sha256:x'],
  ['X-Forwarded-Proto', 'javascript'],
  ['X-Forwarded-For', '10.0.0.1, x'],
  ['Accept-Encoding', 'gzip'],
  ['Content-Encoding', 'gzip'],
];

const anything = fc.jsonValue({ maxDepth: 2 });
// Contents are short.
const position = fc.oneof(fc.nat({ max: 8 }).map(String), fc.constant(''), numberText);
const range = fc.oneof(
  fc.tuple(position, position).map(([first, last]) => `bytes=${first}-${last}`),
  fc
    .array(fc.tuple(numberText, numberText), { maxLength: 5 })
    .map((parts) => `bytes=${parts.map(([first, last]) => `${first}-${last}`).join(',')}`),
  headerText,
);
const contentRange = fc.oneof(
  fc.tuple(fc.nat({ max: 8 }), fc.nat({ max: 8 })).map(([first, more]) => `${first}-${first + more}`),
  fc.tuple(numberText, numberText).map(([first, last]) => `${first}-${last}`),
  headerText,
);
const mediaType = fc.oneof(
  fc.constantFrom(MANIFEST, INDEX, DOCKER_MANIFEST, 'application/json', '*/*', 'application/octet-stream', FORM),
  fc.constantFrom(`${MANIFEST}; charset=utf-8`, 'text/x', ''),
  headerText,
);
const authorization = fc.oneof(
  { weight: 12, arbitrary: fc.constant(basic('ci')) },
  { weight: 4, arbitrary: fc.constantFrom(...USERS).map((user) => basic(user)) },
  { weight: 3, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.oneof(fc.constantFrom(...BAD_CREDENTIALS), headerText) },
);

/** What comes from another site says so; the time is one that has passed, or none. */
function originOf(digest: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const clock = fc
    .tuple(fc.nat({ max: 5000 }), fc.nat({ max: 3 }))
    .map(([ms, count]) => `${1_764_425_000_000 + ms}.${count}`);
  const parameter = fc.oneof(
    mostly(fc.constantFrom('us-east', 'eu-west'), headerText).map((site) => `site=${site}`),
    numberText.map((sequence) => `sequence=${sequence}`),
    mostly(clock, numberText).map((time) => `clock=${time}`),
    digest.map((base) => `base=${base}`),
  );
  const right = fc
    .tuple(fc.constantFrom('us-east', 'ap-south'), fc.nat({ max: 99 }), clock, fc.option(digest, { nil: undefined }))
    .map(([site, sequence, time, base]) => {
      const common = `site=${site}; sequence=${sequence}; clock=${time}`;
      return base === undefined ? common : `${common}; base=${base}`;
    });
  return mostly(
    right,
    fc.array(parameter, { maxLength: 6 }).map((parameters) => parameters.join('; ')),
  );
}

/** Few headers. What Node's own client would not send is left out. */
export function fuzzHeaders(digest: fc.Arbitrary<string>): fc.Arbitrary<Record<string, string>> {
  const etag = fc.oneof(
    digest.map((value) => `"${value}"`),
    headerText,
  );
  const header = fc.oneof(
    { weight: 6, arbitrary: fc.tuple(fc.constant('Range'), range) },
    { weight: 6, arbitrary: fc.tuple(fc.constant('Content-Range'), contentRange) },
    { weight: 6, arbitrary: fc.tuple(fc.constant('Content-Type'), mediaType) },
    { weight: 3, arbitrary: fc.tuple(fc.constant('Accept'), mediaType) },
    { weight: 5, arbitrary: fc.tuple(fc.constant('Entrepot-Origin'), originOf(digest)) },
    { weight: 3, arbitrary: fc.tuple(fc.constantFrom('If-None-Match', 'If-Range', 'If-Match'), etag) },
    { weight: 2, arbitrary: fc.constantFrom(...ODD_HEADERS) },
  );
  return fc.tuple(fc.array(header, { maxLength: 3 }), authorization).map(([headers, credentials]) => {
    const given = new Map<string, string>(headers);
    if (credentials !== undefined) given.set('Authorization', credentials);
    return Object.fromEntries(given);
  });
}

/** Bodies: nothing, blobs that digests are known of, bytes, manifests that are right and wrong, other JSON, forms. */
export function fuzzBody(
  digest: fc.Arbitrary<string>,
  contents: readonly Uint8Array[],
): fc.Arbitrary<string | Uint8Array | undefined> {
  return fc.oneof(
    { weight: 4, arbitrary: fc.constant(undefined) },
    { weight: 5, arbitrary: fc.constantFrom(...contents) },
    { weight: 2, arbitrary: fc.uint8Array({ maxLength: 2000 }) },
    { weight: 6, arbitrary: manifestOf(digest, contents).map((manifest) => JSON.stringify(manifest)) },
    { weight: 1, arbitrary: fc.oneof(fc.json(), fc.constantFrom(...ODD_JSON), fc.constantFrom(...FORMS)) },
  );
}

function manifestOf(digest: fc.Arbitrary<string>, contents: readonly Uint8Array[]): fc.Arbitrary<object> {
  const descriptor = fc.record(
    {
      mediaType: mostly<unknown>(fc.constantFrom(LAYER, CONFIG, MANIFEST, INDEX), anything),
      digest: mostly<unknown>(digest, anything),
      size: mostly<unknown>(fc.constantFrom(0, 2, 3, 5), fc.constantFrom(-1, 0.5, 1e300, 2 ** 53, '2', null, 3000)),
      data: fc.constantFrom('e30=', '!!', 7),
      platform: fc.oneof(fc.constant({ os: 'linux', architecture: 'amd64' }), anything),
      urls: fc.constantFrom(['https://example.com'], 'x', [1]),
    },
    { requiredKeys: ['mediaType', 'digest', 'size'] },
  );
  const right = fc.constantFrom(...contents.map((bytes) => describe(bytes)));
  const one = mostly<unknown>(mostly<unknown>(right, descriptor), anything);
  const several = mostly<unknown>(fc.array(one, { maxLength: 3 }), one);
  const common = {
    schemaVersion: fc.constantFrom(2, 2, 2, 1, '2'),
    subject: one,
    artifactType: fc.constantFrom(LAYER, '', 7, null),
    annotations: mostly<unknown>(fc.constant({ a: 'b' }), fc.oneof(fc.dictionary(fc.string(), anything), anything)),
  };
  const image = { mediaType: fc.constant(MANIFEST), config: one, layers: several };
  const index = { mediaType: fc.constant(INDEX), manifests: several };
  const odd = { mediaType: fc.constantFrom('text/x', '', 7), config: one, layers: several, blobs: several };
  return fc.oneof(
    { weight: 4, arbitrary: fc.record({ ...common, ...image }, { requiredKeys: ['mediaType', 'config', 'layers'] }) },
    { weight: 2, arbitrary: fc.record({ ...common, ...index }, { requiredKeys: ['mediaType', 'manifests'] }) },
    { weight: 1, arbitrary: fc.record({ ...common, ...index, ...odd }, { requiredKeys: [] }) },
  );
}

function describe(bytes: Uint8Array): Descriptor {
  return { mediaType: LAYER, digest: sha256(bytes), size: bytes.length };
}
