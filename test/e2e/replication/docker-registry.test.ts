import { expect, test } from 'vitest';
import type { JobStatus } from '../../../src/replication/replication-operations.ts';
import { pushDescribed, pushManifest, ship } from '../../conformance/support/push.ts';
import { type Client, jsonOf, send } from '../../conformance/support/send.ts';
import { buildImage, buildIndex, IMAGE_MEDIA_TYPES } from '../../support/images.ts';
import { pullWhole } from '../hosted/support/pull-whole.ts';
import { type DockerRegistry, startDockerRegistry } from '../support/docker-registry.ts';
import { type Site, startSite } from './support/site.ts';
import { rest, until } from './support/wait.ts';
import { Wire } from './support/wire.ts';

const MIB = 1024 * 1024;
const SIGNATURE = 'application/vnd.example.signature';

function siteBefore(registry: DockerRegistry, rule: object = {}, peer: object = {}): Promise<Site> {
  return startSite({
    name: 'near',
    config: {
      peers: { registry: { ...registry.upstream(), ...peer } },
      replication: [{ name: 'all', repositories: ['local/**'], to: ['registry'], ...rule }],
    },
  });
}

/** Pushes something small that is signed: an artifact with a subject, or at a tag that is made of what it signs. */
async function pushArtifact(client: Client, tag: string | undefined, more: object): Promise<string> {
  const config = await pushDescribed(client, Buffer.from('{}'), 'application/vnd.oci.empty.v1+json');
  const layer = await pushDescribed(client, Buffer.from(`signed ${tag} by hand`), SIGNATURE);
  const mediaType = IMAGE_MEDIA_TYPES.oci.manifest;
  const content = { schemaVersion: 2, mediaType, config, layers: [layer], ...more };
  return (await pushManifest(client, tag, content)).digest;
}

async function expectSame(near: Client, there: Client, reference: string): Promise<void> {
  expect(await pullWhole(there, reference), `${there.repository}:${reference}`).toEqual(
    await pullWhole(near, reference),
  );
}

test('images, indexes, signatures and cosign tags arrive at a registry that wants tokens, under another name', async () => {
  await using registry = await startDockerRegistry();
  await using near = await siteBefore(registry, { as: 'mirror/{repository}' });
  const app = near.client('local/app');
  const image = await ship(app, (target) => buildImage(target, '', 'v1', { layers: [5 * MIB, 1000] }));
  const index = await ship(app, (target) => buildIndex(target, '', 'all', { seed: 5, format: 'docker' }));
  const subject = { mediaType: image.mediaType, digest: image.digest, size: image.bytes.length };
  const signature = await pushArtifact(app, undefined, { artifactType: SIGNATURE, subject });
  const cosignTag = `${image.digest.replace(':', '-')}.sig`;
  await pushArtifact(app, cosignTag, {});
  await rest(near);

  const there = registry.client('mirror/local/app');
  for (const reference of ['v1', 'all', index.digest, cosignTag, signature]) await expectSame(app, there, reference);
  // It has no referrers API: who looks for signatures there finds them at this tag.
  const headers = { Accept: IMAGE_MEDIA_TYPES.oci.index };
  const referrers = await send(there, 'GET', `manifests/${image.digest.replace(':', '-')}`, { headers });
  expect(jsonOf(referrers)).toMatchObject({
    mediaType: IMAGE_MEDIA_TYPES.oci.index,
    manifests: [{ digest: signature, artifactType: SIGNATURE }],
  });

  // In another repository the layers are mounted.
  const before = await near.metric('entrepot_replication_sent_bytes_total');
  const other = near.client('local/team/other');
  await ship(other, (target) => buildImage(target, '', 'v1', { layers: [5 * MIB, 1000] }));
  await rest(near);
  await expectSame(other, registry.client('mirror/local/team/other'), 'v1');
  expect((await near.metric('entrepot_replication_sent_bytes_total')) - before).toBeLessThan(10_000);

  // A tag moves with what it points at.
  const moved = await ship(app, (target) => buildImage(target, '', 'v1', { seed: 9 }));
  await rest(near);
  expect((await pullWhole(there, 'v1')).includes(moved.digest)).toBe(true);
  expect(await jobs(near)).toEqual([]);
});

test('a registry that takes no index with a part of its children gets all of them, and the status says so', async () => {
  await using registry = await startDockerRegistry();
  await using near = await siteBefore(registry, { platforms: ['linux/amd64'] });
  const app = near.client('local/app');
  await ship(app, (target) => buildIndex(target, '', 'all'));
  await rest(near);
  await expectSame(app, registry.client('local/app'), 'all');
  expect((await near.replication()).links).toMatchObject([{ isSparseRefused: true }]);
});

test('a registry that restarts in the middle of a large layer has it in the end', async () => {
  await using registry = await startDockerRegistry();
  await using wire = await Wire.start(new URL(registry.url).host);
  const peer = { url: `http://${wire.host}`, bandwidth: '24MiB/s' };
  await using near = await siteBefore(registry, {}, peer);
  const app = near.client('local/app');
  const size = 64 * MIB;
  const image = await ship(app, (target) => buildImage(target, '', 'v1', { layers: [size], seed: 3 }));
  await until('half of it is there', () => wire.sentBytes > size / 2, { pollMs: 5 });
  await registry.stop();
  await until('the registry is missed', async () => (await near.replication()).peers[0]?.isUp === false);
  expect((await near.link('registry')).lagSeconds).toBeGreaterThan(0);
  await registry.start();
  await rest(near);
  expect(await pullWhole(registry.client('local/app'), 'v1')).toContain(image.digest);
  const sent = wire.sentBytes / size;
  console.log(`docker-registry restarted in the middle of ${size / MIB} MiB: sent ${sent.toFixed(2)} times`);
  // It goes on with no request that was broken off: what came with that is sent again, once.
  expect(sent).toBeLessThan(1.75);
});

async function jobs(site: Site): Promise<JobStatus[]> {
  return ((await (await fetch(`${site.adminUrl}/api/v1/replication/jobs`)).json()) as { jobs: JobStatus[] }).jobs;
}
