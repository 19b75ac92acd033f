import { describe, expect, test } from 'vitest';
import { digestOf, sha256 } from '../support/bytes.ts';
import { expectError } from './support/expect.ts';
import { artifactManifest, imageManifest, INDEX, indexOf, MANIFEST, SIGNATURE } from './support/manifests.ts';
import { bytesOf, type Descriptor, pushManifest, putManifest } from './support/push.ts';
import { type Client, jsonOf, send } from './support/send.ts';
import { at, atMirror, setStage } from './support/stage.ts';

const stage = setStage();
const SBOM = 'application/vnd.example.sbom.v1';

interface Referrer extends Descriptor {
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** One page of a referrers list, checked. */
async function pageOf(client: Client, path: string): Promise<{ referrers: Referrer[]; link: string | undefined }> {
  const answer = await send(client, 'GET', path);
  expect(answer.status, answer.body.toString()).toBe(200);
  expect(answer.headers['content-type']).toBe(INDEX);
  const index = jsonOf(answer);
  expect(index).toMatchObject({ schemaVersion: 2, mediaType: INDEX });
  expect(answer.headers['oci-filters-applied']).toBe(path.includes('artifactType=') ? 'artifactType' : undefined);
  const { link } = answer.headers;
  const [, next] = /^<(\/[^/>][^>]*)>; *rel="next"$/.exec(String(link)) ?? [];
  if (link !== undefined) expect(next, `a relative Link: ${String(link)}`).toBeDefined();
  return { referrers: index['manifests'] as Referrer[], link: next };
}

/** All referrers, page by page, in no order. */
async function referrersOf(client: Client, digest: string, artifactType?: string): Promise<Referrer[]> {
  const query = artifactType === undefined ? '' : `?artifactType=${encodeURIComponent(artifactType)}`;
  const found: Referrer[] = [];
  let next: string | undefined = `referrers/${digest}${query}`;
  while (next !== undefined) {
    const page: Awaited<ReturnType<typeof pageOf>> = await pageOf(client, next);
    found.push(...page.referrers);
    next = page.link;
  }
  return found.toSorted((a, b) => (a.digest < b.digest ? -1 : 1));
}

function sorted(referrers: readonly Referrer[]): Referrer[] {
  return referrers.toSorted((a, b) => (a.digest < b.digest ? -1 : 1));
}

describe('end-12a, the referrers', () => {
  test('have the artifact type and the annotations of image manifests and of indexes', async () => {
    const client = stage.client();
    const subject = await pushManifest(client, 'v1', await imageManifest(client));
    const annotations = { 'org.example.made': 'by a test', empty: '' };
    const signature = await artifactManifest(client, { subject, artifactType: SIGNATURE, annotations });
    // Without an artifact type of its own it is what its config is.
    const attached = { ...(await imageManifest(client, 2)), subject };
    const index = indexOf([], { subject, artifactType: SBOM, annotations });
    const plain = indexOf([], { subject });
    const expected: Referrer[] = [
      { ...(await pushManifest(client, undefined, signature)), artifactType: SIGNATURE, annotations },
      { ...(await pushManifest(client, 'attached', attached)), artifactType: attached.config.mediaType },
      { ...(await pushManifest(client, undefined, index)), artifactType: SBOM, annotations },
      await pushManifest(client, undefined, plain),
    ];
    expect(await referrersOf(client, subject.digest)).toEqual(sorted(expected));
    expect(await referrersOf(atMirror(stage, client), subject.digest)).toEqual(sorted(expected));
  });

  test('of something that is not there, or has none, are an empty index', async () => {
    const client = stage.client();
    const { digest } = await pushManifest(client, 'v1', await imageManifest(client));
    for (const elsewhere of [client, at(client, 'local/never/pushed')]) {
      expect(await referrersOf(elsewhere, digest)).toEqual([]);
      expect(await referrersOf(elsewhere, sha256(Buffer.from('never pushed')))).toEqual([]);
      expect(await referrersOf(elsewhere, digest, SIGNATURE)).toEqual([]);
    }
  });

  test('are those of the repository, and of the digest as it was written', async () => {
    const client = stage.client();
    const elsewhere = at(client, `${client.repository}/below`);
    const image = await imageManifest(client);
    const subject = await pushManifest(client, 'v1', image);
    const other = { ...subject, digest: digestOf(bytesOf(image), 'sha512') };
    const [one, two] = [
      await artifactManifest(client, { subject }),
      await artifactManifest(client, { subject: other }),
    ];
    const { digest: first } = await pushManifest(client, undefined, one);
    const second = digestOf(bytesOf(two), 'sha512');
    expect((await putManifest(client, second, two)).headers['oci-subject']).toBe(other.digest);
    expect((await referrersOf(client, subject.digest)).map(({ digest }) => digest)).toEqual([first]);
    expect((await referrersOf(client, other.digest)).map(({ digest }) => digest)).toEqual([second]);
    expect(await referrersOf(elsewhere, subject.digest)).toEqual([]);
  });

  test('of a digest of a wrong form are 400', async () => {
    for (const digest of ['sha256:baddigeststring', 'v1', `md5:${'a'.repeat(32)}`]) {
      const answer = await send(stage.client(), 'GET', `referrers/${digest}`);
      expectError(answer, 400, ['DIGEST_INVALID', 'UNSUPPORTED']);
    }
  });
});

describe('end-12b, the referrers of one type', () => {
  test('are those and no others', async () => {
    const client = stage.client();
    const subject = await pushManifest(client, 'v1', await imageManifest(client));
    const digests: Record<string, string[]> = { [SIGNATURE]: [], [SBOM]: [] };
    for (const [artifactType, list] of Object.entries(digests)) {
      for (const n of ['1', '2']) {
        const artifact = await artifactManifest(client, { subject, artifactType, annotations: { n } });
        list.push((await pushManifest(client, undefined, artifact)).digest);
      }
    }
    for (const [artifactType, list] of Object.entries(digests)) {
      const found = await referrersOf(client, subject.digest, artifactType);
      expect(found.map(({ digest }) => digest)).toEqual(list.toSorted());
    }
    expect(await referrersOf(client, subject.digest, 'application/x.none')).toEqual([]);
    expect(await referrersOf(client, subject.digest)).toHaveLength(4);
  });
});

test('end-12, more referrers than one answer holds come page by page, also with a filter', async () => {
  const client = stage.client();
  const subject = { mediaType: MANIFEST, digest: sha256(Buffer.from('a subject')), size: 9 };
  // Annotations of 1 MiB each: six of them are more than one manifest may have.
  const large = 'x'.repeat(1024 * 1024);
  await artifactManifest(client);
  const pushed = await Promise.all(
    Array.from({ length: 6 }, async (_, n) => {
      const artifactType = n % 2 === 0 ? SIGNATURE : SBOM;
      const artifact = await artifactManifest(client, { subject, artifactType, annotations: { n: `${n}`, large } });
      return (await pushManifest(client, undefined, artifact)).digest;
    }),
  );
  const first = await pageOf(client, `referrers/${subject.digest}`);
  expect(first.link, 'there is more than one page').toBeDefined();
  const found = await referrersOf(client, subject.digest);
  expect(found.map(({ digest }) => digest)).toEqual(pushed.toSorted());
  for (const { annotations } of found) expect(annotations?.['large']).toHaveLength(large.length);
  expect(await referrersOf(client, subject.digest, SIGNATURE)).toHaveLength(3);
});
