import { rm } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { expectBlob, expectGone, expectManifest } from '../conformance/support/expect.ts';
import { type ImageManifest, imageManifest, INDEX, LAYER, MANIFEST } from '../conformance/support/manifests.ts';
import { bytesOf, pushBlob, pushManifest, putManifest } from '../conformance/support/push.ts';
import { type Client, jsonOf, send } from '../conformance/support/send.ts';
import { seededBytes, sha256 } from '../support/bytes.ts';
import { accessRules, startHosted, type TestHosted } from '../support/hosted.ts';
import type { Fault } from '../support/origin-faults.ts';
import { startOrigin } from '../support/origin.ts';
import { eventually } from './support/eventually.ts';
import { administer, metric } from './support/operator.ts';
import { fileOf, rot } from './support/stored-files.ts';

/** Two registries of the same namespaces; the far one has what the near one has. */
interface Sites extends AsyncDisposable {
  readonly near: TestHosted;
  readonly far: TestHosted;
  /** Pushes at the near site. */
  readonly pusher: Client;
  /** Pulls at the far site, without a name. */
  readonly puller: Client;
  /** Pushes at the far site. */
  readonly farPusher: Client;
}

/** Brings replicas of what was pushed at the near site. */
const PEER = { who: 'peer', may: ['pull', 'replicate'], in: ['local/**'] };
const QUIET = { pull: { readAhead: false, hotManifests: 0 } } as const;

async function startSites(pull: object = QUIET.pull): Promise<Sites> {
  await using opened = new AsyncDisposableStack();
  const near = opened.use(await startHosted({ config: { site: 'near', ...QUIET } }));
  const far = opened.use(await startFar(near, pull));
  const cleanup = opened.move();
  const repository = 'local/app';
  return {
    near,
    far,
    pusher: { url: near.registryUrl, user: 'ci', repository },
    puller: { url: far.url, user: undefined, repository },
    farPusher: { url: far.registryUrl, user: 'ci', repository },
    [Symbol.asyncDispose]: () => cleanup.disposeAsync(),
  };
}

/** A site whose sibling is at that URL. */
function startFar(near: { readonly url: string }, pull: object): Promise<TestHosted> {
  return startHosted({
    config: {
      site: 'far',
      pull,
      hostedRules: [
        { repositories: ['sparse/**'], sparse: true, siblings: ['near'] },
        { repositories: ['local/**'], siblings: ['near'] },
      ],
      peers: { near: { url: near.url } },
      access: { htpasswd: './htpasswd', policy: [PEER, ...accessRules(false)] },
    },
  });
}

/** Pushes an image with a tag. */
async function pushImage(client: Client, tag: string, seed: number | string = tag) {
  const content = await imageManifest(client, seed);
  const { digest } = await pushManifest(client, tag, content);
  return { content, digest };
}

/** Pulls it all. */
async function expectImage(client: Client, reference: string, content: ImageManifest): Promise<void> {
  await expectManifest(client, content, MANIFEST, reference);
  for (const { digest } of [content.config, ...content.layers]) {
    expect(sha256((await send(client, 'GET', `blobs/${digest}`)).body)).toBe(digest);
  }
}

describe.concurrent('a pull at the far site that comes too early', () => {
  test.each(['tag', 'digest'] as const)('by %s gets what the near site has, and keeps it', async (kind) => {
    await using sites = await startSites();
    const { near, pusher, puller } = sites;
    const { content, digest } = await pushImage(pusher, 'v1');
    await expectImage(puller, kind === 'tag' ? 'v1' : digest, content);
    await near[Symbol.asyncDispose]();
    await expectImage(puller, kind === 'tag' ? 'v1' : digest, content);
    const tags = await send(puller, 'GET', 'tags/list');
    expect(jsonOf(tags)).toMatchObject({ tags: kind === 'tag' ? ['v1'] : [] });
  });

  test('by HEAD is told what there is, for it is there then', async () => {
    await using sites = await startSites();
    const { near, pusher, puller } = sites;
    const { content, digest } = await pushImage(pusher, 'v1');
    const head = await send(puller, 'HEAD', 'manifests/v1');
    expect([head.status, head.headers['docker-content-digest']]).toEqual([200, digest]);
    await near[Symbol.asyncDispose]();
    await expectManifest(puller, content, MANIFEST, 'v1');
  });

  test('gets all of an index, and an image gets its layers ahead', async () => {
    await using sites = await startSites({ hotManifests: 0 });
    const { near, far, pusher, puller } = sites;
    const images = [await imageManifest(pusher, 1), await imageManifest(pusher, 2)];
    const manifests = [];
    for (const image of images) manifests.push(await pushManifest(pusher, undefined, image));
    const index = { schemaVersion: 2, mediaType: INDEX, manifests };
    await pushManifest(pusher, 'v1', index);
    await expectManifest(puller, index, INDEX, 'v1');
    for (const [position, image] of images.entries()) {
      await expectManifest(puller, image, MANIFEST, manifests[position]?.digest);
    }
    const blobs = images.flatMap(({ config, layers }) => [config, ...layers]);
    await eventually(async () => {
      const heads = await Promise.all(blobs.map(({ digest }) => send(puller, 'HEAD', `blobs/${digest}`)));
      expect(heads.map(({ status }) => status)).toEqual(blobs.map(() => 200));
    });
    await near[Symbol.asyncDispose]();
    for (const image of images) await expectImage(puller, sha256(bytesOf(image)), image);
    expect(await metric(far, 'entrepot_upstream_bytes_total', { upstream: 'near' })).toBeGreaterThan(0);
  });

  test.each([
    ['has an older one to offer', 200],
    ['has none', 404],
    ['fails', 500],
  ])('gets what arrives while the near site is asked, and that %s', async (_, status) => {
    await using near = await startOrigin();
    await using far = await startFar(near, QUIET.pull);
    const older = JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [] });
    const hasArrived = Promise.withResolvers<void>();
    const handle: Extract<Fault, { kind: 'handler' }>['handle'] = async (_request, response) => {
      await hasArrived.promise;
      response.writeHead(status, { 'Content-Type': INDEX }).end(older);
    };
    near.fault({ path: 'manifests/v1' }, { kind: 'handler', handle });
    const pusher = { url: far.registryUrl, user: 'ci', repository: 'local/app' };
    const content = await imageManifest(pusher);
    const asking = send({ ...pusher, url: far.url, user: undefined }, 'GET', 'manifests/v1');
    await near.waitForRequests({ path: 'manifests/v1' });
    const { digest } = await pushManifest(pusher, 'v1', content);
    hasArrived.resolve();
    const answer = await asking;
    expect([answer.status, answer.headers['docker-content-digest']]).toEqual([200, digest]);
  });

  test('gets a blob that arrives while the near site is asked', async () => {
    await using near = await startOrigin();
    await using far = await startFar(near, QUIET.pull);
    const bytes = seededBytes(500, 'arriving');
    const path = `blobs/${sha256(bytes)}`;
    const hasArrived = Promise.withResolvers<void>();
    const handle: Extract<Fault, { kind: 'handler' }>['handle'] = async (_request, response) => {
      await hasArrived.promise;
      response.writeHead(404).end();
    };
    near.fault({ path }, { kind: 'handler', handle });
    const pusher = { url: far.registryUrl, user: 'ci', repository: 'local/app' };
    const asking = send({ ...pusher, url: far.url, user: undefined }, 'GET', path);
    await near.waitForRequests({ path });
    await pushBlob(pusher, bytes);
    hasArrived.resolve();
    const { status, body } = await asking;
    expect([status, body.equals(bytes)]).toEqual([200, true]);
  });

  test('is told that there is no such thing when the near site does not have it either', async () => {
    await using sites = await startSites();
    const { pusher, puller } = sites;
    await pushImage(pusher, 'v1');
    for (const path of ['manifests/v2', `manifests/sha256:${'0'.repeat(64)}`, `blobs/sha256:${'0'.repeat(64)}`]) {
      await expectGone(puller, path);
    }
    await expectGone({ ...puller, repository: 'local/other' }, 'manifests/v1');
  });

  test('is not told that there is no such thing when the near site cannot be asked', async () => {
    await using sites = await startSites();
    const { near, puller } = sites;
    await near[Symbol.asyncDispose]();
    for (const path of ['manifests/v1', `blobs/sha256:${'0'.repeat(64)}`]) {
      expect([502, 503, 504]).toContain((await send(puller, 'GET', path)).status);
    }
  });

  test('does not see what the near site does not show', async () => {
    await using sites = await startSites();
    const { pusher, farPusher } = sites;
    await pushImage({ ...pusher, repository: 'local/secret/app', user: 'ci' }, 'v1');
    await expectGone({ ...farPusher, repository: 'local/secret/app' }, 'manifests/v1');
  });

  test('opens nothing of other repositories, whatever a manifest of the near site names', async () => {
    await using sites = await startSites();
    const { pusher, puller, farPusher } = sites;
    const secret = seededBytes(2000, 'secret');
    const digest = await pushBlob({ ...farPusher, repository: 'local/secret/app' }, secret);
    const sparse = { ...pusher, repository: 'sparse/app' };
    const content = await imageManifest(sparse);
    const named = { ...content, layers: [{ mediaType: LAYER, digest, size: secret.length }] };
    await pushManifest(sparse, 'v1', named);
    const there = { ...puller, repository: 'sparse/app' };
    await expectManifest(there, named, MANIFEST, 'v1');
    await expectGone(there, `blobs/${digest}`);
  });

  test('gets a blob that is here for another repository, once the near site has confirmed it', async () => {
    await using sites = await startSites();
    const { near, pusher, puller, farPusher } = sites;
    const bytes = seededBytes(2000, 'shared');
    await pushBlob({ ...farPusher, repository: 'local/other' }, bytes);
    await expectGone(puller, `blobs/${sha256(bytes)}`);
    await pushBlob(pusher, bytes);
    // That it did not have it is believed for a few seconds.
    await eventually(async () => {
      expect((await send(puller, 'GET', `blobs/${sha256(bytes)}`)).status).toBe(200);
    });
    await near[Symbol.asyncDispose]();
    await expectBlob(puller, bytes);
  });
});

describe.concurrent('who pushes at the far site', () => {
  test('is told what is there, not what the near site has', async () => {
    await using sites = await startSites();
    const { pusher, farPusher, puller } = sites;
    const { content, digest } = await pushImage(pusher, 'v1');
    for (const blob of [content.config, ...content.layers]) {
      expect((await send(farPusher, 'HEAD', `blobs/${blob.digest}`)).status).toBe(404);
    }
    for (const reference of ['v1', digest]) {
      expect((await send(farPusher, 'HEAD', `manifests/${reference}`)).status).toBe(404);
      expect((await send(puller, 'HEAD', `manifests/${reference}`)).status).toBe(200);
      // It is there now, but its blobs are not.
      expect((await send(farPusher, 'HEAD', `manifests/${reference}`)).status).toBe(404);
    }
    await expectImage(puller, digest, content);
    await eventually(async () => {
      for (const reference of ['v1', digest]) {
        expect((await send(farPusher, 'HEAD', `manifests/${reference}`)).status).toBe(200);
      }
    });
  });

  test('as a replica is told of a tag when it came with its time', async () => {
    await using sites = await startSites();
    const { far, pusher, puller } = sites;
    const { content, digest } = await pushImage(pusher, 'v1');
    await expectImage(puller, 'v1', content);
    const peer: Client = { url: far.registryUrl, user: 'peer', repository: 'local/app' };
    await eventually(async () => {
      expect((await send(peer, 'HEAD', `manifests/${digest}`)).status).toBe(200);
    });
    expect((await send(peer, 'HEAD', 'manifests/v1')).status).toBe(404);
    const headers = { 'Content-Type': MANIFEST, 'Entrepot-Origin': `site=near; sequence=7; clock=${Date.now()}.0` };
    const answer = await send(peer, 'PUT', 'manifests/v1', { body: bytesOf(content), headers });
    expect([answer.status, answer.headers['entrepot-kept']]).toEqual([201, undefined]);
    expect((await send(peer, 'HEAD', 'manifests/v1')).status).toBe(200);
  });

  test('moves a tag that came early', async () => {
    await using sites = await startSites();
    const { pusher, farPusher, puller } = sites;
    const { content } = await pushImage(pusher, 'v1');
    await expectImage(puller, 'v1', content);
    const other = await pushImage(farPusher, 'v1', 'other');
    await expectImage(puller, 'v1', other.content);
  });

  test('may name nothing that only the near site has', async () => {
    await using sites = await startSites();
    const { pusher, farPusher } = sites;
    const { content } = await pushImage(pusher, 'v1');
    expect((await putManifest(farPusher, 'v1', content)).status).toBe(404);
  });
});

describe.concurrent('a tag that was deleted at the far site', () => {
  test('does not come back from the near one by being asked for', async () => {
    await using sites = await startSites();
    const { pusher, farPusher, puller } = sites;
    const { content, digest } = await pushImage(pusher, 'v1');
    await expectImage(puller, 'v1', content);
    expect((await send(farPusher, 'DELETE', 'manifests/v1')).status).toBe(202);
    for (let times = 0; times < 2; times++) await expectGone(puller, 'manifests/v1');
    await expectManifest(puller, content, MANIFEST, digest);
    const again = await pushImage(farPusher, 'v1', 'again');
    await expectImage(puller, 'v1', again.content);
  });

  test('nor after a restart', async () => {
    await using sites = await startSites();
    const { far, pusher, farPusher } = sites;
    await pushImage(pusher, 'v1');
    await pushImage(farPusher, 'v1');
    expect((await send(farPusher, 'DELETE', 'manifests/v1')).status).toBe(202);
    await far.restart();
    await expectGone({ url: far.url, user: undefined, repository: 'local/app' }, 'manifests/v1');
  });
});

describe.concurrent('hosted content that was lost at the far site', () => {
  test('comes back from the near one when it is asked for', async () => {
    await using sites = await startSites();
    const { far, pusher, farPusher, puller } = sites;
    const { content, digest } = await pushImage(pusher, 'v1');
    await pushImage(farPusher, 'v1');
    for (const { digest: lost } of [{ digest }, content.config, ...content.layers]) {
      await rm(fileOf(far, lost));
    }
    await expectImage(puller, 'v1', content);
    await eventually(async () => {
      expect(await metric(far, 'entrepot_healed_content_total', { result: 'healed' })).toBe(3);
    });
  });

  test('comes back from the near one when a scrub finds out', async () => {
    await using sites = await startSites();
    const { near, far, pusher, farPusher, puller } = sites;
    const { content, digest } = await pushImage(pusher, 'v1');
    await pushImage(farPusher, 'v1');
    const lost = [digest, content.config.digest, content.layers[0]?.digest ?? ''];
    for (const each of lost) await rot(fileOf(far, each));
    await administer(far, 'POST', '/scrub', {});
    await eventually(async () => {
      expect(await metric(far, 'entrepot_healed_content_total', { result: 'healed' })).toBe(lost.length);
    });
    await near[Symbol.asyncDispose]();
    await expectImage(puller, 'v1', content);
  });
});
